//! A console in this process, and requests to it.
#![allow(dead_code)]

use std::path::PathBuf;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use conversion_relay_console::console::Shared;
use conversion_relay_console::options::Options;
use conversion_relay_console::{random, server};
use serde_json::Value;
use tower::ServiceExt;

/// The token of the admin alice.
pub const ADMIN: &str = "the-token-of-alice";
/// The token of the admin bob.
pub const OTHER_ADMIN: &str = "the-token-of-bob-x";
/// The token of the viewer victor.
pub const VIEWER: &str = "the-token-of-victor";
/// The token of the gateway edge.
pub const GATEWAY: &str = "the-token-of-edge-1";

/// A folder that is removed at the end of a test.
pub struct Folder(pub PathBuf);

impl Folder {
    /// Makes one.
    pub fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("console-api-{}", random::token().unwrap()));
        std::fs::create_dir(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Opens the console whose database is in a folder.
pub fn open(folder: &Folder) -> Shared {
    let tokens =
        format!("alice:admin:{ADMIN},bob:admin:{OTHER_ADMIN},victor:viewer:{VIEWER},edge:gateway:{GATEWAY}");
    let variable = |name: &str| match name {
        "CONSOLE_TOKENS" => Some(tokens.clone()),
        "CONSOLE_SECRET" => Some("the secret of the console, 32 bytes".to_owned()),
        "RELAY_KEY" => Some("the secret of the gateways, 32 bytes".to_owned()),
        _ => None,
    };
    let options = Options {
        listen: ([127, 0, 0, 1], 0).into(),
        database: folder.0.join("console.db"),
        ..Options::default()
    };
    server::open(options, &variable).unwrap()
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    /// Its body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{self:?}"))
    }

    /// A header as text; empty: there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Its status, and the code of the error if it is one.
    pub fn error(&self) -> (u16, String) {
        let body = self.json();
        assert!(body["error"]["message"].as_str().is_some_and(|message| !message.is_empty()), "{body}");
        (self.status.as_u16(), body["error"]["code"].as_str().unwrap().to_owned())
    }
}

/// A console, and who asks it.
pub struct Api {
    pub folder: Folder,
    pub console: Shared,
    app: Router,
}

impl Api {
    /// Opens a new one.
    pub fn new() -> Self {
        let folder = Folder::new();
        let console = open(&folder);
        Self { app: server::app(console.clone()), console, folder }
    }

    /// Sends a request.
    pub async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.app.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, 64 << 20).await.unwrap().to_vec();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// Sends a request with a token, and JSON if there is some.
    pub async fn call(&self, token: &str, method: &str, path: &str, body: Option<Value>) -> Answer {
        let request =
            Request::builder().method(method).uri(path).header("authorization", format!("Bearer {token}"));
        let request = match body {
            Some(body) => {
                request.header("content-type", "application/json").body(Body::from(body.to_string()))
            }
            None => request.body(Body::empty()),
        };
        self.send(request.unwrap()).await
    }

    /// The same with an If-Match.
    pub async fn call_if(&self, etag: &str, method: &str, path: &str, body: Option<Value>) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {OTHER_ADMIN}"))
            .header("content-type", "application/json")
            .header("if-match", etag);
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        self.send(request.body(body).unwrap()).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.call(ADMIN, "GET", path, None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(ADMIN, "POST", path, Some(body)).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.call(ADMIN, "PUT", path, Some(body)).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.call(ADMIN, "PATCH", path, Some(body)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.call(ADMIN, "DELETE", path, None).await
    }

    /// Posts bytes with a Content-Type as an admin.
    pub async fn post_bytes(&self, path: &str, content_type: &str, bytes: impl Into<Body>) -> Answer {
        let request = Request::post(path)
            .header("authorization", format!("Bearer {ADMIN}"))
            .header("content-type", content_type);
        self.send(request.body(bytes.into()).unwrap()).await
    }
}
