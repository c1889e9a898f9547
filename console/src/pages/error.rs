//! What a page answers instead of what was asked for.

use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Redirect, Response};
use maud::html;

use super::layout::{Frame, Section};
use crate::store::Rejection;

/// Why a page can't be shown, or a form not be taken.
#[derive(Debug)]
pub enum PageError {
    /// Nobody has signed in, or the session has ended. Where to go afterwards.
    SignIn(String),
    /// The status, a title, and a sentence that says how to go on.
    Told(StatusCode, &'static str, String),
}

impl PageError {
    /// The visitor has to sign in before this address is shown.
    pub fn sign_in(uri: &Uri) -> Self {
        let next = uri.path_and_query().map_or("/", |path| path.as_str());
        let query = query_value(next);
        Self::SignIn(format!("/sign-in?next={query}"))
    }

    /// A form that was not made for this session, or comes from another site.
    pub fn foreign_form() -> Self {
        let text = "This form was not made for your session, so nothing was changed. Open the page again and repeat what you did.";
        Self::Told(StatusCode::FORBIDDEN, "Refused", text.to_owned())
    }

    /// The visitor's role is another one.
    pub fn admins_only() -> Self {
        let text = "Only an admin may change things, so nothing was changed. Sign in with an admin's token.";
        Self::Told(StatusCode::FORBIDDEN, "Refused", text.to_owned())
    }

    /// There is nothing at that address.
    pub fn not_found(what: &str) -> Self {
        Self::Told(StatusCode::NOT_FOUND, "Not found", format!("There is no {what}."))
    }

    /// The request can't be read.
    pub fn malformed(text: impl Into<String>) -> Self {
        Self::Told(StatusCode::BAD_REQUEST, "Not understood", text.into())
    }
}

/// Returns a text as a value of a query.
fn query_value(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

impl From<Rejection> for PageError {
    fn from(rejection: Rejection) -> Self {
        match rejection {
            Rejection::NotFound(what) => Self::not_found(&what),
            Rejection::Conflict(message) => {
                Self::Told(StatusCode::CONFLICT, "Changed meanwhile", format!("{message}."))
            }
            Rejection::Refused(refusal) => {
                Self::Told(StatusCode::UNPROCESSABLE_ENTITY, "Refused", format!("{refusal}."))
            }
            Rejection::Database(_) | Rejection::Unreadable(_) => {
                eprintln!("error: {rejection}");
                let text = "Nothing was changed. The console's log says why.".to_owned();
                Self::Told(StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong", text)
            }
        }
    }
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        match self {
            Self::SignIn(location) => Redirect::to(&location).into_response(),
            Self::Told(status, title, text) => {
                let body = html! {
                    p { (text) }
                    p { a href="/integrations" { "Go to the integrations" } }
                };
                (status, Frame::without_session(title).render(Section::None, &body)).into_response()
            }
        }
    }
}
