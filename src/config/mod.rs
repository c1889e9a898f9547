//! The plugin configuration: read, checked and compiled once, so that nothing is worked out per event that could have
//! been decided before.

mod cookies;
mod duration;
pub mod load;
mod protobuf;
pub mod read;
mod tree;
pub mod types;

#[cfg(test)]
mod tests;

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use crate::consent::{ConsentRules, Requirement, Vocabulary};
use crate::delivery;
use crate::endpoints::Endpoints;
use crate::event::Fields;
use crate::event::projection::Projection;
use crate::identity::{ClientFromContext, CookieName};
use crate::mapping::plan::Plan;
use crate::sources::{self, SourceAt, Sources};
use crate::vendors::{self, Destination, Vendor};
use cookies::anonymous_id_cookies;
pub use cookies::{IssueAnonymousId, RememberEmail};
use load::{Invalid, Secrets};
pub use read::{Place, Read};
pub use tree::Tree;
use types::Config;
pub use types::{RelayWhen, ReplyFrom};

/// A configuration ready to run.
pub struct Compiled {
    pub endpoints: Endpoints,
    pub reply: ReplyFrom,
    pub relay_when: RelayWhen,
    pub limits: CaptureLimits,
    pub anonymous_id_cookies: Vec<CookieName>,
    pub client_from_context: ClientFromContext,
    /// None: off.
    pub issue_anonymous_id: Option<IssueAnonymousId>,
    /// None: off.
    pub remember_email: Option<RememberEmail>,
    /// None: no sources are configured, and any tracking request is taken.
    pub sources: Option<Sources>,
    pub consent: ConsentRules,
    /// How long a messageId is remembered.
    pub deduplication_window: Duration,
    pub projection: Projection,
    pub fields: Fields,
    pub delivery: delivery::Limits,
    /// The enabled ones, in the order of the configuration. A lane of the delivery engine has the same index.
    pub integrations: Vec<Integration>,
    /// Paths of secrets that are written out; each deserves a warning.
    pub literal_secrets: Vec<String>,
    kept_headers: Vec<Box<str>>,
}

/// How much of the requests is held and read.
#[derive(Clone, Copy, Debug)]
pub struct CaptureLimits {
    /// Of one body, in bytes.
    pub body_bytes: usize,
    /// Of one request.
    pub events: usize,
    /// Of all requests of a worker, in bytes.
    pub captured_bytes: usize,
    /// Of an event, by its own timestamp.
    pub event_age: Duration,
}

/// One enabled integration.
pub struct Integration {
    pub name: String,
    pub vendor: &'static dyn Vendor,
    pub dry_run: bool,
    /// The only source whose events it gets; None: every source's.
    pub source: Option<SourceAt>,
    pub plan: Plan,
    pub requirement: Requirement,
    pub destination: Box<dyn Destination>,
}

/// The settings of a vendor's own `config`, for the vendor to read.
pub struct Settings<'s> {
    values: &'s Tree,
    at: String,
    secrets: &'s Secrets,
}

impl Settings<'_> {
    /// Reads them into the vendor's type; an error names the place in the whole configuration and shows no secret.
    pub fn read<T: Read>(self) -> Result<T, Invalid> {
        load::read(self.values, &self.at, self.secrets)
    }
}

/// An integration's name as a metric label: anything outside `[A-Za-z0-9_-]` becomes `_`.
pub fn label(name: &str) -> String {
    let legal = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '-');
    name.chars().map(|character| if legal(character) { character } else { '_' }).collect()
}

impl Compiled {
    /// Compiles the plugin configuration as Envoy hands it over. No side effects: Envoy asks several VMs.
    ///
    /// `environment` is the VM's. The error is one line that names the path, the problem and the fix.
    pub fn load(configuration: &[u8], environment: &dyn Fn(&str) -> Option<String>) -> Result<Self, Invalid> {
        let mut value = load::parse(configuration)?;
        let secret_settings = |vendor: &str| vendors::find(vendor).map_or(&[][..], Vendor::secret_settings);
        let literal_secrets = load::literal_secrets(&value, &secret_settings);
        let mut secrets = Secrets::default();
        load::expand_all(&mut value, environment, &mut secrets)?;
        let config: Config = load::read(&value, "", &secrets)?;
        Self::compile(&config, literal_secrets, &secrets)
            .map_err(|invalid| Invalid::new(invalid.path, secrets.mask(&invalid.problem)))
    }

    #[inline(never)] // V8 compiles small functions with less memory: docs/performance.md
    fn compile(config: &Config, literal_secrets: Vec<String>, secrets: &Secrets) -> Result<Self, Invalid> {
        let mut projection = Projection::new();
        let fields = Fields::compile(&mut projection);
        let consent = consent_rules(&config.consent)?;
        let sources = config.sources.as_deref().map(Sources::compile).transpose();
        let sources = sources.map_err(|bad| Invalid::new(bad.at, bad.problem))?;
        let anonymous_id_cookies = anonymous_id_cookies(&config.identity.anonymous_id_cookies)?;
        let issue_anonymous_id = config.identity.issue_anonymous_id.as_ref();
        let issue_anonymous_id = issue_anonymous_id
            .map(|settings| IssueAnonymousId::compile(settings, &anonymous_id_cookies, &consent.vocabulary))
            .transpose()?;
        let remember_email = config.identity.remember_email.as_ref();
        let remember_email = remember_email
            .map(|settings| RememberEmail::compile(settings, &anonymous_id_cookies))
            .transpose()?;
        let limits = capture_limits(&config.endpoints)?;
        let delivery = delivery_limits(&config.delivery)?;
        let mut integrations = Vec::new();
        if config.integrations.is_empty() {
            return Err(Invalid::new("integrations", "expected at least one integration"));
        }
        unique_names(&config.integrations)?;
        for (at, integration) in config.integrations.iter().enumerate() {
            let at = format!("integrations[{at}]");
            let compiled =
                compile_integration(integration, &at, sources.as_ref(), &consent, &mut projection, secrets)?;
            if integration.enabled {
                refuse_double_count(&integrations, &compiled, &at)?;
                integrations.push(compiled);
            }
        }
        // An integration's share of the queue is an equal part, rounded down: it must not be nothing.
        within(
            "delivery.queue.max_deliveries",
            delivery.max_deliveries,
            integrations.len(),
            MOST_DELIVERIES,
        )?;
        Ok(Self {
            endpoints: Endpoints::new(&config.endpoints.base_path)
                .map_err(|problem| Invalid::new("endpoints.base_path", problem))?
                .with_import(config.endpoints.import),
            reply: config.endpoints.reply,
            relay_when: config.endpoints.relay_when,
            limits,
            anonymous_id_cookies,
            client_from_context: config.identity.client_from_context,
            issue_anonymous_id,
            remember_email,
            kept_headers: kept_headers(sources.as_ref(), &integrations),
            sources,
            consent,
            deduplication_window: within_time(
                "deduplication.window",
                config.deduplication.window,
                Duration::ZERO,
                DAY,
            )?,
            projection,
            fields,
            delivery,
            integrations,
            literal_secrets,
        })
    }

    /// Whether any station can use a request header, given in lowercase; no other is kept.
    pub fn keeps_header(&self, name: &str) -> bool {
        self.kept_headers.iter().any(|kept| **kept == *name)
    }

    /// Whether the filter sets cookies of its own at all.
    pub fn sets_cookies(&self) -> bool {
        self.issue_anonymous_id.is_some() || self.remember_email.is_some()
    }
}

/// The request headers that any station can use, in lowercase.
fn kept_headers(sources: Option<&Sources>, integrations: &[Integration]) -> Vec<Box<str>> {
    let mut kept: Vec<Box<str>> = HEADERS.map(Box::from).into();
    if sources.is_some() {
        kept.extend(sources::HEADERS.map(Box::from));
    }
    let mut keep = |name: &str| {
        if !kept.iter().any(|known| **known == *name) {
            kept.push(name.into());
        }
    };
    for integration in integrations {
        integration.plan.headers(&mut keep);
    }
    kept
}

/// The request headers that are of use whatever the configuration.
const HEADERS: [&str; 5] = ["user-agent", "cookie", "referer", "sec-gpc", "content-encoding"];

#[inline(never)] // V8 compiles small functions with less memory: docs/performance.md
fn compile_integration(
    integration: &types::Integration,
    at: &str,
    sources: Option<&Sources>,
    consent: &ConsentRules,
    projection: &mut Projection,
    secrets: &Secrets,
) -> Result<Integration, Invalid> {
    if integration.name.trim().is_empty() {
        return Err(Invalid::new(format!("{at}.name"), "expected a name"));
    }
    let vendor = vendors::find(&integration.vendor).ok_or_else(|| {
        let known = vendors::VENDORS.map(Vendor::name).join(", ");
        Invalid::new(
            format!("{at}.vendor"),
            format!("unknown vendor {:?}: expected one of {known}", integration.vendor),
        )
    })?;
    let source = source_of(integration.source_id.as_deref(), at, sources)?;
    let destination =
        vendor.connect(Settings { values: &integration.config, at: format!("{at}.config"), secrets })?;
    let preset = vendor.preset(integration.preset.as_deref()).map_err(|known| {
        let problem = format!(
            "unknown preset {:?}: expected one of {known}",
            integration.preset.as_deref().unwrap_or_default()
        );
        Invalid::new(format!("{at}.preset"), problem)
    })?;
    let user = integration.field_mappings.as_ref();
    let plan = Plan::compile(&preset, user, integration.events.as_deref(), vendor.targets(), projection)
        .map_err(|bad| Invalid::new(format!("{at}.{}", bad.place), bad.problem))?;
    let requirement = Requirement::compile(&integration.consent_categories, &consent.vocabulary)
        .map_err(|unknown| Invalid::new(format!("{at}.consent_categories"), unknown.to_string()))?;
    Ok(Integration {
        name: integration.name.clone(),
        vendor,
        dry_run: integration.dry_run,
        source,
        plan,
        requirement,
        destination,
    })
}

/// The source that an integration listens to.
fn source_of(
    source_id: Option<&str>,
    at: &str,
    sources: Option<&Sources>,
) -> Result<Option<SourceAt>, Invalid> {
    let (Some(sources), Some(id)) = (sources, source_id) else { return Ok(None) };
    let unknown =
        || Invalid::new(format!("{at}.source_id"), format!("{id:?} is none of the configured sources"));
    sources.find(id).map(Some).ok_or_else(unknown)
}

/// No two integrations with one name, also not once the names are metric labels.
#[inline(never)] // V8 compiles small functions with less memory: docs/performance.md
fn unique_names(integrations: &[types::Integration]) -> Result<(), Invalid> {
    for (at, integration) in integrations.iter().enumerate() {
        let same = |other: &&types::Integration| label(&other.name) == label(&integration.name);
        if let Some(first) = integrations.iter().take(at).find(same) {
            let problem = format!(
                "{:?} and {:?} are both {:?} as a metric label: give each integration a name of its own",
                first.name,
                integration.name,
                label(&integration.name)
            );
            return Err(Invalid::new(format!("integrations[{at}].name"), problem));
        }
    }
    Ok(())
}

/// Two integrations that would send one event to the same place count it twice.
#[inline(never)] // V8 compiles small functions with less memory: docs/performance.md
fn refuse_double_count(before: &[Integration], new: &Integration, at: &str) -> Result<(), Invalid> {
    let same = |other: &&Integration| {
        other.vendor.name() == new.vendor.name()
            && new.destination.counts_as().is_some_and(|place| other.destination.counts_as() == Some(place))
            && other.plan.overlaps(&new.plan)
    };
    match before.iter().find(same) {
        None => Ok(()),
        Some(other) => Err(Invalid::new(
            at,
            format!(
                "sends the same events to {} as {:?}, so each would count twice: give them different ids or events",
                new.destination.counts_as().unwrap_or_default(),
                other.name
            ),
        )),
    }
}

#[inline(never)] // V8 compiles small functions with less memory: docs/performance.md
fn consent_rules(consent: &types::Consent) -> Result<ConsentRules, Invalid> {
    let vocabulary =
        Vocabulary::new(consent.aliases.iter().map(|(name, codes)| (name, codes.iter().map(String::as_str))))
            .map_err(|error| Invalid::new("consent.aliases", error.to_string()))?;
    Ok(ConsentRules {
        when_absent: consent.when_absent,
        require: consent.require,
        respect_gpc: consent.respect_gpc,
        cookies: consent.cookies.clone(),
        vocabulary,
    })
}

#[inline(never)] // V8 compiles small functions with less memory: docs/performance.md
fn capture_limits(endpoints: &types::Endpoints) -> Result<CaptureLimits, Invalid> {
    Ok(CaptureLimits {
        body_bytes: within("endpoints.max_body_bytes", endpoints.max_body_bytes, 1, 16 << 20)?,
        events: within("endpoints.max_events", endpoints.max_events, 1, 100_000)?,
        event_age: within_time(
            "endpoints.max_event_age",
            endpoints.max_event_age,
            Duration::from_secs(1),
            YEAR,
        )?,
        captured_bytes: within(
            "endpoints.max_captured_bytes",
            endpoints.max_captured_bytes,
            1 << 10,
            512 << 20,
        )?,
    })
}

#[inline(never)] // V8 compiles small functions with less memory: docs/performance.md
fn delivery_limits(delivery: &types::Delivery) -> Result<delivery::Limits, Invalid> {
    let second = Duration::from_secs(1);
    let backoff = delivery::Backoff::try_new(
        within_time("delivery.backoff.base", delivery.backoff.base, Duration::from_millis(1), DAY)?,
        within_time("delivery.backoff.max", delivery.backoff.max, Duration::from_millis(1), DAY)?,
    );
    let in_flight = within("delivery.max_in_flight", delivery.max_in_flight as usize, 1, 1024)?;
    let attempts = within("delivery.max_attempts", delivery.max_attempts as usize, 1, 1000)?;
    Ok(delivery::Limits {
        timeout: within_time(
            "delivery.timeout",
            delivery.timeout,
            Duration::from_millis(1),
            second.saturating_mul(300),
        )?,
        max_attempts: NonZeroU32::new(attempts as u32).unwrap_or(NonZeroU32::MIN),
        max_age: within_time("delivery.max_age", delivery.max_age, second, DAY.saturating_mul(30))?,
        backoff: backoff.map_err(|error| Invalid::new("delivery.backoff", error.to_string()))?,
        max_in_flight: NonZeroUsize::new(in_flight).unwrap_or(NonZeroUsize::MIN),
        max_deliveries: within(
            "delivery.queue.max_deliveries",
            delivery.queue.max_deliveries,
            1,
            MOST_DELIVERIES,
        )?,
        max_bytes: within("delivery.queue.max_bytes", delivery.queue.max_bytes, 1 << 10, 512 << 20)?,
    })
}

const DAY: Duration = Duration::from_secs(86_400);
const YEAR: Duration = Duration::from_secs(366 * 86_400);

/// The largest queue of a worker.
const MOST_DELIVERIES: usize = 1_000_000;

fn within(path: &str, value: usize, least: usize, most: usize) -> Result<usize, Invalid> {
    if (least..=most).contains(&value) {
        return Ok(value);
    }
    Err(Invalid::new(path, format!("expected {least} to {most}, got {value}")))
}

fn within_time(path: &str, value: Duration, least: Duration, most: Duration) -> Result<Duration, Invalid> {
    if (least..=most).contains(&value) {
        return Ok(value);
    }
    let [least, most, value] = [least, most, value].map(duration::write);
    Err(Invalid::new(path, format!("expected {least} to {most}, got {value}")))
}
