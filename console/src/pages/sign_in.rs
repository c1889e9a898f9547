//! Signing in and out.

use std::net::{IpAddr, SocketAddr};

use axum::Router;
use axum::extract::{ConnectInfo, FromRequestParts, Query, Request, State};
use axum::http::header::{LOCATION, SET_COOKIE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use maud::{Markup, html};
use serde::Deserialize;
use subtle::ConstantTimeEq;

use super::error::PageError;
use super::guard::{Asked, FORM_TOKEN, cookie, form, session_cookie, visit};
use super::layout::{Frame, Section};
use crate::access::{Caller, Role, SESSION_TIME};
use crate::clock;
use crate::console::{Console, Shared};
use crate::random;

pub fn router() -> Router<Shared> {
    Router::new()
        .route("/sign-in", get(show).post(sign_in))
        .route("/sign-out", post(sign_out))
        .route("/sign-in/state", get(state))
}

/// Where somebody goes who has signed in and asked for nothing else.
const HOME: &str = "/integrations";

#[derive(Deserialize)]
struct Wanted {
    next: Option<String>,
    code: Option<String>,
}

async fn show(
    State(console): State<Shared>,
    Address(address): Address,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    if let Some(code) = &wanted.code {
        let caller = console.sessions.may_try(address).then(|| console.sessions.redeem(code, clock::now()));
        return match caller.flatten() {
            Some(caller) => begin(&console, &headers, caller, HOME),
            None => asked(&console, StatusCode::UNAUTHORIZED, Some(LINK_IS_USED), HOME),
        };
    }
    let next = next(wanted.next.as_deref());
    if visit(&headers, &console).is_some() {
        return Ok(Redirect::to(next).into_response());
    }
    asked(&console, StatusCode::OK, None, next)
}

/// Says whether the browser has a session. It sends no cookie when somebody follows a link from another site, so such a one comes to the
/// sign-in, where the script asks once more.
async fn state(State(console): State<Shared>, headers: HeaderMap) -> &'static str {
    if visit(&headers, &console).is_some() { "signed in" } else { "signed out" }
}

const LINK_IS_USED: &str = "This link has been used, or is older than 10 minutes. Sign in with a token, or start the console again for another link.";
const WRONG_TOKEN: &str = "This token is not known. It is one of those that the console was started with, in CONSOLE_TOKENS or CONSOLE_TOKEN.";
const GATEWAYS_TOKEN: &str = "This is a gateway's token. Sign in with the token of an admin or a viewer.";
const TOO_MANY: &str = "Too many tries from your address. Wait a minute and try again.";
const OLD_FORM: &str = "This form is too old, or your browser refuses cookies. Try again.";

async fn sign_in(
    State(console): State<Shared>,
    Address(address): Address,
    request: Request,
) -> Result<Response, PageError> {
    let headers = request.headers().clone();
    let fields = form(request, &console).await?;
    let next = next(fields.get("next"));
    let expected = cookie(&headers, form_cookie(&console)).unwrap_or_default();
    let sent = fields.get(FORM_TOKEN).unwrap_or_default();
    if expected.is_empty() || !bool::from(expected.as_bytes().ct_eq(sent.as_bytes())) {
        return asked(&console, StatusCode::FORBIDDEN, Some(OLD_FORM), next);
    }
    if !console.sessions.may_try(address) {
        return asked(&console, StatusCode::TOO_MANY_REQUESTS, Some(TOO_MANY), next);
    }
    match console.tokens.find(fields.text("token")) {
        None => asked(&console, StatusCode::UNAUTHORIZED, Some(WRONG_TOKEN), next),
        Some(caller) if caller.role == Role::Gateway => {
            asked(&console, StatusCode::FORBIDDEN, Some(GATEWAYS_TOKEN), next)
        }
        Some(caller) => begin(&console, &headers, caller.clone(), next),
    }
}

async fn sign_out(State(console): State<Shared>, headers: HeaderMap, _: Asked) -> Response {
    if let Some(id) = cookie(&headers, session_cookie(&console)) {
        console.sessions.end(id);
    }
    redirect("/sign-in", &set_cookie(&console, session_cookie(&console), "", 0))
}

/// Begins a session with an id of its own, and ends the one that the browser had.
fn begin(console: &Console, headers: &HeaderMap, caller: Caller, next: &str) -> Result<Response, PageError> {
    if let Some(old) = cookie(headers, session_cookie(console)) {
        console.sessions.end(old);
    }
    let id = console.sessions.begin(caller, clock::now()).map_err(without_randomness)?;
    Ok(redirect(next, &set_cookie(console, session_cookie(console), &id, SESSION_TIME / 1_000)))
}

fn without_randomness(error: String) -> PageError {
    crate::store::Rejection::Unreadable(error).into()
}

fn redirect(to: &str, set_cookie: &str) -> Response {
    (StatusCode::SEE_OTHER, [(LOCATION, to), (SET_COOKIE, set_cookie)]).into_response()
}

fn set_cookie(console: &Console, name: &str, value: &str, seconds: i64) -> String {
    let secure = if console.options.is_https() { "; Secure" } else { "" };
    format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}")
}

/// The cookie that holds the token of the sign-in form: there is no session yet to keep it in.
fn form_cookie(console: &Console) -> &'static str {
    if console.options.is_https() { "__Host-console-form" } else { "console-form" }
}

/// Returns the address that was asked for, if it is one of this console's.
fn next(wanted: Option<&str>) -> &str {
    let is_path = |next: &&str| {
        next.starts_with('/')
            && !next.starts_with("//")
            && next.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
    };
    wanted.filter(is_path).unwrap_or(HOME)
}

fn asked(
    console: &Console,
    status: StatusCode,
    problem: Option<&str>,
    next: &str,
) -> Result<Response, PageError> {
    let token = random::token().map_err(without_randomness)?;
    let page = Frame::without_session("Sign in").render(Section::None, &sign_in_form(&token, problem, next));
    let cookie = set_cookie(console, form_cookie(console), &token, 3_600);
    Ok((status, [(SET_COOKIE, cookie)], page).into_response())
}

fn sign_in_form(form_token: &str, problem: Option<&str>, next: &str) -> Markup {
    html! {
        form.card.narrow method="post" action="/sign-in" data-next=(next) {
            input type="hidden" name=(FORM_TOKEN) value=(form_token);
            input type="hidden" name="next" value=(next);
            div.field {
                label for="token" { "Token" }
                input #token type="password" name="token" required autofocus autocomplete="current-password"
                    spellcheck="false" aria-describedby="token-help token-problem" aria-invalid=[problem.map(|_| "true")];
                p.help #token-help { "An admin's, or a viewer's, who may read." }
                p.problem #token-problem role="alert" { @if let Some(problem) = problem { (problem) } }
            }
            button.primary type="submit" { "Sign in" }
        }
    }
}

/// The address of whoever makes a request, if it is known. Behind a proxy it is the one that the proxy has added.
struct Address(Option<IpAddr>);

impl FromRequestParts<Shared> for Address {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, console: &Shared) -> Result<Self, Self::Rejection> {
        let connected = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|connected| connected.0.ip());
        let forwarded = console.options.behind_proxy.then(|| {
            let name = HeaderName::from_static("x-forwarded-for");
            let line = parts.headers.get_all(name).iter().next_back()?.to_str().ok()?;
            line.rsplit(',').next()?.trim().parse().ok()
        });
        Ok(Self(forwarded.flatten().or(connected)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_to_another_host() {
        assert_eq!(next(Some("/events?order=1")), "/events?order=1");
        for elsewhere in
            ["//evil.example", "https://evil.example", "/\\evil.example", "\\evil", "/\r\nx: y", "", "/ /"]
        {
            assert_eq!(next(Some(elsewhere)), HOME, "{elsewhere:?}");
        }
        assert_eq!(next(None), HOME);
    }
}
