//! Somebody with a browser, as far as requests go: keeps cookies, and sends forms with the token of the session.
#![allow(dead_code)]

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use conversion_relay_console::console::Shared;
use conversion_relay_console::server;
use tokio_stream::StreamExt;
use tower::ServiceExt;

/// A page, or whatever else was answered.
#[derive(Debug)]
pub struct Page {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub html: String,
}

impl Page {
    /// A header as text; empty: there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The value of the first hidden field of that name.
    pub fn hidden(&self, name: &str) -> String {
        let start = format!("type=\"hidden\" name=\"{name}\" value=\"");
        let (_, rest) = self.html.split_once(&start).unwrap_or_else(|| panic!("no field {name}: {self:?}"));
        rest.split_once('"').unwrap().0.replace("&quot;", "\"").replace("&amp;", "&")
    }

    /// The name and value of the cookie that it sets, and its attributes.
    pub fn cookie(&self) -> (String, String) {
        let (pair, attributes) = self.header("set-cookie").split_once("; ").unwrap();
        (pair.to_owned(), attributes.to_owned())
    }
}

/// A browser without a script.
pub struct Visitor {
    app: Router,
    /// The cookies that it sends.
    pub cookies: String,
}

impl Visitor {
    /// Somebody who has not signed in.
    pub fn new(console: &Shared) -> Self {
        Self { app: server::app(console.clone()), cookies: String::new() }
    }

    /// Somebody who has signed in with this token.
    pub async fn signed_in(console: &Shared, token: &str) -> Self {
        let mut visitor = Self::new(console);
        let page = visitor.sign_in(token).await;
        assert_eq!(page.status, StatusCode::SEE_OTHER, "{page:?}");
        visitor
    }

    /// Fills in the sign-in form, which was opened before anybody had signed in. A session's cookie is kept.
    pub async fn sign_in(&mut self, token: &str) -> Page {
        let session = std::mem::take(&mut self.cookies);
        let form = self.get("/sign-in").await;
        self.cookies = format!("{session}; {}", form.cookie().0);
        let fields = [("csrf", &*form.hidden("csrf")), ("token", token)];
        let page = self.post_as_it_is("/sign-in", &fields, &[]).await;
        self.cookies = if page.status == StatusCode::SEE_OTHER { page.cookie().0 } else { session };
        page
    }

    pub async fn send(&self, request: Request<Body>) -> Page {
        let response = self.app.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, 64 << 20).await.unwrap().to_vec();
        Page { status: parts.status, headers: parts.headers, html: String::from_utf8(body).unwrap() }
    }

    pub async fn get(&self, path: &str) -> Page {
        let request = Request::get(path).header("cookie", &self.cookies).body(Body::empty());
        self.send(request.unwrap()).await
    }

    /// Opens a stream, and returns its parts as they come.
    pub async fn follow(
        &self,
        path: &str,
        headers: &[(&str, &str)],
    ) -> impl StreamExt<Item = String> + Unpin + use<> {
        let request = Request::get(path).header("cookie", &self.cookies);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let response = self.app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let text = |part: Result<Bytes, axum::Error>| String::from_utf8(part.unwrap().to_vec()).unwrap();
        response.into_body().into_data_stream().map(text)
    }

    /// Sends a form with the fields that it is given, and nothing else.
    pub async fn post_as_it_is(&self, path: &str, fields: &[(&str, &str)], headers: &[(&str, &str)]) -> Page {
        let mut body = form_urlencoded::Serializer::new(String::new());
        body.extend_pairs(fields);
        let request = Request::post(path)
            .header("cookie", &self.cookies)
            .header("host", "console.example")
            .header("content-type", "application/x-www-form-urlencoded");
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        self.send(request.body(Body::from(body.finish())).unwrap()).await
    }

    /// The token of this session's forms.
    pub async fn form_token(&self) -> String {
        self.get("/integrations").await.hidden("csrf")
    }

    /// Sends a form of this session.
    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        let token = self.form_token().await;
        let fields: Vec<(&str, &str)> = fields.iter().copied().chain([("csrf", token.as_str())]).collect();
        self.post_as_it_is(path, &fields, &[("sec-fetch-site", "same-origin"), ("origin", "null")]).await
    }
}
