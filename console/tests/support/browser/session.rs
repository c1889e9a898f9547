//! What every part of a page needs: the commands that fantoccini has no method for, and what the browser's console said.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use fantoccini::Client;
use fantoccini::elements::Element;
use fantoccini::error::CmdError;
use fantoccini::wd::WebDriverCompatibleCommand;
use http::Method;
use serde_json::{Value, json};
use url::{ParseError, Url};

/// How long a test waits for what must appear.
pub const LIMIT: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(20);

#[derive(Debug)]
pub struct Session {
    pub client: Client,
    console_errors: Mutex<Vec<String>>,
}

/// A command below the session's URL, by the WebDriver protocol: a GET, or a POST of `body`.
#[derive(Debug)]
struct Call {
    path: String,
    body: Option<Value>,
}

impl WebDriverCompatibleCommand for Call {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        let method = if self.body.is_some() { Method::POST } else { Method::GET };
        (method, self.body.as_ref().map(Value::to_string))
    }
}

impl Session {
    pub fn new(client: Client) -> Self {
        Self { client, console_errors: Mutex::default() }
    }

    /// Sends a command of the Chrome DevTools Protocol and returns its result.
    pub async fn devtools(&self, command: &str, params: Value) -> Value {
        let body = json!({ "cmd": command, "params": params });
        let call = Call { path: "goog/cdp/execute".to_owned(), body: Some(body) };
        self.client.issue_cmd(call).await.unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    /// Runs a script in the page and returns its value.
    pub async fn run(&self, script: &str) -> Value {
        self.client.execute(script, vec![]).await.unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    /// The role of `element`, as the browser tells it to a screen reader.
    pub async fn role(&self, element: &Element) -> Result<String, CmdError> {
        self.computed(element, "computedrole").await
    }

    /// The accessible name of `element`: of its label, its text, or what else gives it a name.
    pub async fn name(&self, element: &Element) -> Result<String, CmdError> {
        self.computed(element, "computedlabel").await
    }

    async fn computed(&self, element: &Element, what: &str) -> Result<String, CmdError> {
        let path = format!("element/{}/{what}", &*element.element_id());
        let value = self.client.issue_cmd(Call { path, body: None }).await?;
        Ok(value.as_str().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" "))
    }

    /// Waits for a navigation that has begun, and reads the console. To be called after each step that may change the page.
    ///
    /// That the page itself was answered with a 4xx is no error: a refused form is answered so.
    pub async fn settle(&self) {
        let page = self.client.current_url().await.expect("a page has a URL");
        let call = Call { path: "se/log".to_owned(), body: Some(json!({ "type": "browser" })) };
        let entries = self.client.issue_cmd(call).await.expect("Chromium's console");
        let mut errors = self.console_errors.lock().unwrap();
        for entry in entries.as_array().expect("entries") {
            let [level, source, message] =
                ["level", "source", "message"].map(|key| entry[key].as_str().unwrap());
            let refused = source == "network"
                && message.starts_with(&format!("{page} "))
                && message.contains("a status of 4");
            if (level == "SEVERE" && !refused) || source == "security" {
                errors.push(format!("{source}: {message}"));
            }
        }
    }

    pub async fn take_console_errors(&self) -> Vec<String> {
        self.settle().await;
        std::mem::take(&mut self.console_errors.lock().unwrap())
    }

    /// What to print with a failure: where the browser is, what the page reads and what the console said.
    pub async fn picture(&self) -> String {
        self.settle().await;
        let url = self.client.current_url().await.map(String::from).unwrap_or_default();
        let text = self.run("return document.body ? document.body.innerText : ''").await;
        let errors = self.console_errors.lock().unwrap().join("\n");
        let text = text.as_str().unwrap_or_default();
        format!("--- {url} ---\n{text}\n--- its console ---\n{errors}\n---")
    }
}

/// Tries until `attempt` gives a value, or `LIMIT` has passed. An element that is not there yet, that another has covered or
/// that is of a page that has gone since, is a reason to try again. The last reason is returned.
pub async fn retry<T>(mut attempt: impl AsyncFnMut() -> Result<T, Again>) -> Result<T, String> {
    let deadline = Instant::now() + LIMIT;
    loop {
        match attempt().await {
            Ok(value) => return Ok(value),
            Err(Again(reason)) if Instant::now() > deadline => return Err(reason),
            Err(_) => tokio::time::sleep(POLL).await,
        }
    }
}

/// Why something has to be tried again.
pub struct Again(pub String);

impl From<CmdError> for Again {
    fn from(error: CmdError) -> Self {
        match error {
            CmdError::Standard(error) => Self(error.to_string()),
            error => panic!("the browser doesn't answer: {error}"),
        }
    }
}
