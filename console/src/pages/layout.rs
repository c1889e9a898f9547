//! What all pages have in common.

use maud::{DOCTYPE, Markup, html};

use super::visit::{FORM_TOKEN, Visit};
use crate::access::Role;

/// The parts of the console, as the navigation lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    Integrations,
    Events,
    DeadLetters,
    Gateways,
    Sources,
    Settings,
    Revisions,
    /// A page that is in none of them.
    None,
}

const SECTIONS: [(Section, &str, &str); 7] = [
    (Section::Integrations, "/integrations", "Integrations"),
    (Section::Events, "/events", "Events"),
    (Section::DeadLetters, "/dead-letters", "Dead letters"),
    (Section::Gateways, "/gateways", "Gateways"),
    (Section::Sources, "/sources", "Sources"),
    (Section::Settings, "/settings", "Settings"),
    (Section::Revisions, "/revisions", "Revisions"),
];

/// A page around its content.
pub struct Frame<'p> {
    title: &'p str,
    visit: Option<&'p Visit>,
    wide: bool,
}

impl<'p> Frame<'p> {
    /// A page for somebody who has signed in.
    pub fn new(visit: &'p Visit, title: &'p str) -> Self {
        Self { title, visit: Some(visit), wide: false }
    }

    /// A page that shows nothing of what is kept.
    pub fn without_session(title: &'p str) -> Self {
        Self { title, visit: None, wide: false }
    }

    /// Gives the content the whole width.
    #[must_use]
    pub fn wide(self) -> Self {
        Self { wide: true, ..self }
    }

    /// Returns the page. Its first heading is the title.
    pub fn render(&self, here: Section, content: &Markup) -> Markup {
        self.with_actions(here, &html! {}, content)
    }

    /// Returns the page, with links and buttons beside its title.
    pub fn with_actions(&self, here: Section, actions: &Markup, content: &Markup) -> Markup {
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (self.title) " - conversion-relay" }
                    link rel="icon" href="/assets/icon.svg" type="image/svg+xml";
                    link rel="stylesheet" href="/assets/console.css";
                    script src="/assets/console.js" defer {}
                }
                body {
                    a.skip href="#main" { "Skip to the content" }
                    header.top {
                        div.bar {
                            span.brand { "conversion-relay" }
                            @if let Some(visit) = self.visit { (navigation(here)) (who(visit)) }
                        }
                    }
                    main #main tabindex="-1" .wide[self.wide] {
                        div.head { h1 { (self.title) } div.actions { (actions) } }
                        (content)
                    }
                }
            }
        }
    }
}

fn navigation(here: Section) -> Markup {
    html! {
        nav aria-label="Main" {
            ul {
                @for (section, address, name) in SECTIONS {
                    li { a href=(address) aria-current=[(section == here).then_some("page")] { (name) } }
                }
            }
        }
    }
}

fn who(visit: &Visit) -> Markup {
    let caller = &visit.session.caller;
    html! {
        form.who method="post" action="/sign-out" {
            span { (caller.name) @if caller.role == Role::Viewer { " (may read)" } }
            (form_token(visit))
            button.quiet type="submit" { "Sign out" }
        }
    }
}

/// Returns the field by which a form of this session is known.
pub fn form_token(visit: &Visit) -> Markup {
    html! { input type="hidden" name=(FORM_TOKEN) value=(visit.session.form_token); }
}
