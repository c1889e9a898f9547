//! Who asks for a page, and whether a form was sent by a page of this console.

use axum::Form;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::header::{COOKIE, HOST, ORIGIN};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};

use super::error::PageError;
use super::fields::Fields;
pub use super::visit::{FORM_TOKEN, Visit};
use crate::clock;
use crate::console::{Console, Shared};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Without a session it redirects to the sign-in.
impl FromRequestParts<Shared> for Visit {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, console: &Shared) -> Result<Self, PageError> {
        visit(&parts.headers, console).ok_or_else(|| PageError::sign_in(&parts.uri))
    }
}

/// Returns the visit that a request's cookie belongs to.
pub fn visit(headers: &HeaderMap, console: &Console) -> Option<Visit> {
    let id = cookie(headers, session_cookie(console))?;
    let session = console.sessions.find(id, clock::now())?;
    Some(Visit { session })
}

/// Returns the name of the session's cookie. The prefix has a browser refuse one that another host or a page in the clear has set.
pub fn session_cookie(console: &Console) -> &'static str {
    if console.options.is_https() { "__Host-console" } else { "console" }
}

/// Returns the value of a cookie.
pub fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(known, _)| *known == name).map(|(_, value)| value)
}

/// A form that changes something: of an admin, and sent by a page of this session.
#[derive(Debug)]
pub struct Change {
    pub visit: Visit,
    pub fields: Fields,
}

/// A form that changes nothing but the visitor's own session: of anybody who has signed in, and sent by a page of this session.
#[derive(Debug)]
pub struct Asked {
    pub visit: Visit,
    pub fields: Fields,
}

impl Asked {
    /// Takes the form as one that changes something, if its sender may.
    pub fn change(self) -> Result<Change, PageError> {
        let Self { visit, fields } = self;
        if visit.is_admin() { Ok(Change { visit, fields }) } else { Err(PageError::admins_only()) }
    }
}

impl FromRequest<Shared> for Asked {
    type Rejection = PageError;

    async fn from_request(request: Request, console: &Shared) -> Result<Self, PageError> {
        let found = visit(request.headers(), console);
        let visit = found.ok_or_else(|| PageError::SignIn("/sign-in".to_owned()))?;
        let fields = form(request, console).await?;
        if !visit.session.has_made(fields.get(FORM_TOKEN).unwrap_or_default()) {
            return Err(PageError::foreign_form());
        }
        Ok(Self { visit, fields })
    }
}

impl FromRequest<Shared> for Change {
    type Rejection = PageError;

    async fn from_request(request: Request, console: &Shared) -> Result<Self, PageError> {
        Asked::from_request(request, console).await?.change()
    }
}

/// Reads a form that comes from a page of this host.
pub async fn form(request: Request, console: &Shared) -> Result<Fields, PageError> {
    if !is_from_here(request.headers(), console.options.behind_proxy) {
        return Err(PageError::foreign_form());
    }
    let read = Form::<Vec<(String, String)>>::from_request(request, console).await;
    let Form(fields) =
        read.map_err(|error| PageError::malformed(format!("The form can't be read: {error}.")))?;
    Ok(Fields::new(fields))
}

/// Whether the browser says that a page of this host has made the request. An old one says nothing: then the form's token decides
/// alone. So it does where the origin is `null`, as browsers write it beside our referrer policy.
fn is_from_here(headers: &HeaderMap, behind_proxy: bool) -> bool {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("unreadable"));
    if text(SEC_FETCH_SITE).is_some_and(|site| site != "same-origin") {
        return false;
    }
    let proven = text(SEC_FETCH_SITE).is_some();
    match text(ORIGIN) {
        None | Some("null") => true,
        // A proxy may have put another host in.
        Some(_) if behind_proxy && proven => true,
        Some(origin) => origin.split_once("://").map(|(_, host)| host) == text(HOST),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(headers: &[(&'static str, &'static str)], behind_proxy: bool) -> bool {
        let pairs = headers.iter().map(|(name, value)| {
            (HeaderName::from_static(name), axum::http::HeaderValue::from_static(value))
        });
        is_from_here(&pairs.collect(), behind_proxy)
    }

    #[test]
    fn a_form_of_another_site_is_told_by_what_the_browser_says_of_it() {
        let here = ("host", "console.example:8084");
        for (accepted, headers) in [
            (true, vec![here]),
            (true, vec![here, ("origin", "null"), ("sec-fetch-site", "same-origin")]),
            (true, vec![here, ("origin", "https://console.example:8084")]),
            (false, vec![here, ("origin", "https://console.example")]),
            (false, vec![here, ("origin", "https://evil.example"), ("sec-fetch-site", "same-origin")]),
            (false, vec![here, ("origin", "evil")]),
            (false, vec![here, ("sec-fetch-site", "cross-site")]),
            (false, vec![here, ("sec-fetch-site", "same-site")]),
            (false, vec![here, ("sec-fetch-site", "none")]),
        ] {
            assert_eq!(judged(&headers, false), accepted, "{headers:?}");
        }
        let renamed =
            [("host", "10.0.0.7"), ("origin", "https://console.example"), ("sec-fetch-site", "same-origin")];
        assert!(judged(&renamed, true));
        assert!(!judged(&renamed[..2], true));
    }
}
