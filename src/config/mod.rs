//! The plugin configuration as a whole: read, checked and compiled once, so that nothing is computed per event that can be
//! decided in advance. Each section is defined in the module that it configures.

mod carried;
mod carrier;
mod dead_letters;
mod hand_off;
mod integration;
#[cfg(feature = "schema")]
pub mod schema;
#[cfg(test)]
mod tests;
#[cfg(feature = "schema")]
mod vendor_schema;

use std::time::Duration;

use serde::Deserialize;

use crate::bots::{BotSettings, Bots};
use crate::consent::{ConsentRules, ConsentSettings};
use crate::deduplication::DeduplicationSettings;
use crate::delivery::{self, DeliverySettings};
use crate::endpoints::{
    CaptureLimits, DeliverLimits, DeliverSettings, EndpointSettings, Endpoints, RelayWhen, ReplyFrom,
};
use crate::event::Fields;
use crate::event::cloud_events;
use crate::event::projection::Projection;
use crate::identity::settings::IdentitySettings;
use crate::identity::{ClientFromContext, CookieName, IssueAnonymousId, RememberEmail};
use crate::mapping::path::RequestPart;
use crate::records::{RecordSettings, Records};
use crate::sealed;
use crate::settings::{Document, Invalid, Secret};
use crate::sources::{SourceIndex, SourceSettings, Sources};
pub use carried::Carried;
use carried::CookieReaders;
pub use dead_letters::{DeadLetterSettings, DeadLetters};
pub use hand_off::HandOff;
use integration::Compiler;
pub use integration::{Integration, IntegrationSettings, label};

/// The plugin configuration as users write it.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Which requests are tracking requests, and how much of them is buffered.
    #[serde(default)]
    pub endpoints: EndpointSettings,
    /// How the visitor of an event is identified.
    #[serde(default)]
    pub identity: IdentitySettings,
    /// The sources whose write keys and signatures authenticate events. Absent: every tracking request is accepted, so something
    /// in front of the gateway has to authenticate.
    pub sources: Option<Vec<SourceSettings>>,
    /// What counts as consent.
    #[serde(default)]
    pub consent: ConsentSettings,
    /// The handling of events that arrive more than once.
    #[serde(default)]
    pub deduplication: DeduplicationSettings,
    /// The handling of events of bots.
    #[serde(default)]
    pub bots: BotSettings,
    /// How deliveries are queued, sent and retried.
    #[serde(default)]
    pub delivery: DeliverySettings,
    /// Secrets as `${NAME}`, each 32 bytes or more, such as `openssl rand -base64 32` prints. They have two uses: they open the
    /// [sealed values](configuration.md#sealed-values) of the configuration, and with each CloudEvent goes, sealed by them, what the
    /// gateway knows of the client's request. The first seals, all open: to rotate, put a new one first, and remove the old one once
    /// no queue and no configuration holds anything that it has sealed. All gateways of a fleet need the same secrets. Without secrets
    /// no value can be sealed, and nothing goes along.
    #[serde(default)]
    pub secrets: Vec<Secret>,
    /// [Dead letters](durability.md#dead-letters): deliveries that are lost are sealed and sent to an integration of your own, from
    /// where they can be replayed. Absent: off.
    pub dead_letters: Option<DeadLetterSettings>,
    /// Records of what became of each event; absent: none are made.
    pub records: Option<RecordSettings>,
    /// The destinations at vendors. If the list is empty, nothing is delivered.
    pub integrations: Vec<IntegrationSettings>,
}

/// The most bytes of requests and deliveries that a VM may be told to hold. Envoy gives it a gibibyte, and ends it when that is
/// used up; the rest is for what is being worked on.
const MAX_HELD_BYTES: usize = 768 << 20;

/// A configuration ready to run.
pub struct Compiled {
    /// The paths of tracking requests.
    pub endpoints: Endpoints,
    /// Who answers tracking requests.
    pub reply: ReplyFrom,
    /// Which requests with `reply: upstream` are relayed.
    pub relay_when: RelayWhen,
    /// The limits on what is buffered and parsed of requests.
    pub limits: CaptureLimits,
    /// The cookies that may hold the anonymous id of an event without one; the first that is present is used.
    pub anonymous_id_cookies: Vec<CookieName>,
    /// When an event's `context.ip` and `context.userAgent` are trusted. A source may have a policy of its own.
    pub client_from_context: ClientFromContext,
    /// `None`: off.
    pub issue_anonymous_id: Option<IssueAnonymousId>,
    /// `None`: off.
    pub remember_email: Option<RememberEmail>,
    /// `None`: no sources are configured, and every tracking request is accepted.
    pub sources: Option<Sources>,
    /// What counts as consent.
    pub consent: ConsentRules,
    /// How long a messageId is remembered.
    pub deduplication_window: Duration,
    /// How long an order id is remembered.
    pub order_window: Duration,
    /// What happens to the events of bots; `None`: nobody asks.
    pub bots: Option<Bots>,
    /// Every path that is read from an event, the mappings' among them.
    pub projection: Projection,
    /// The slots of the fields that the filter itself reads.
    pub fields: Fields,
    /// The limits of the queue, and how deliveries are retried.
    pub delivery: delivery::Limits,
    /// The acknowledged route; `None`: off.
    pub deliver: Option<DeliverLimits>,
    /// What is recorded; `None`: nothing.
    pub records: Option<Records>,
    /// Hand-off; `None`: off.
    pub hand_off: Option<HandOff>,
    /// Dead letters; `None`: off.
    pub dead_letters: Option<DeadLetters>,
    /// What goes along with an event that a queue passes on.
    pub carried: Carried,
    /// The enabled ones, in the order of the configuration. A lane of the delivery engine has the same index.
    pub integrations: Vec<Integration>,
    /// Paths of secrets in plain text; each causes a warning.
    pub plain_secrets: Vec<String>,
    kept_headers: Vec<Box<str>>,
}

impl Compiled {
    /// Compiles the plugin configuration as Envoy hands it over. No side effects: Envoy asks several VMs.
    ///
    /// `environment` is the VM's. The error is one line that names the path, the problem and the fix.
    pub fn load(configuration: &[u8], environment: &dyn Fn(&str) -> Option<String>) -> Result<Self, Invalid> {
        Self::load_with_placeholders(configuration, environment, &|_| None)
    }

    /// Like [`Compiled::load`], for where the configuration is checked without the gateway's secrets. `placeholder` returns what stands for
    /// the value at a path that is sealed under an unknown secret; `None` refuses it.
    pub fn load_with_placeholders(
        configuration: &[u8],
        environment: &dyn Fn(&str) -> Option<String>,
        placeholder: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, Invalid> {
        let mut document = Document::parse(configuration)?;
        document.expand(environment)?;
        sealed::open_all(&mut document, placeholder)?;
        let config: Config = document.read()?;
        let mut plain_secrets = plain_secrets(&config, &document);
        let mut compiled = Self::compile(&config, &document)
            .map_err(|invalid| Invalid::new(invalid.path, document.mask(&invalid.problem)))?;
        // The vendors have read theirs by now.
        plain_secrets.extend(document.take_plain_secrets());
        compiled.plain_secrets = plain_secrets;
        Ok(compiled)
    }

    #[inline(never)] // V8 compiles small functions with less memory: docs/performance.md
    fn compile(config: &Config, document: &Document) -> Result<Self, Invalid> {
        let mut projection = Projection::new();
        let fields = Fields::compile(&mut projection);
        let consent = config.consent.rules()?;
        let sources = config.sources.as_deref().map(Sources::compile).transpose()?;
        let issue_anonymous_id = config.identity.issue_anonymous_id(&consent.vocabulary)?;
        let remember_email = config.identity.remember_email()?;
        let mut compiler =
            Compiler { document, sources: sources.as_ref(), consent: &consent, projection: &mut projection };
        let integrations = compiler.integrations(&config.integrations)?;
        let delivery = config.delivery.limits();
        if delivery.max_deliveries < integrations.len() {
            let problem =
                format!("expected at least {}, one for each enabled integration", integrations.len());
            return Err(Invalid::new("delivery.queue.max_deliveries", problem));
        }
        if config.endpoints.deliver.is_some() && !sources.as_ref().is_some_and(Sources::may_deliver) {
            let problem = "expected a source with deliver: true, whose key its senders use";
            return Err(Invalid::new("endpoints.deliver", problem));
        }
        let has_secrets = !config.secrets.is_empty();
        let dead_letters = config.dead_letters.as_ref();
        let letters_integration = dead_letters.map(|letters| letters.integration.as_str());
        let hand_off = HandOff::compile(
            &config.endpoints,
            has_secrets,
            letters_integration,
            &config.integrations,
            &integrations,
        )?;
        let dead_letters = DeadLetters::compile(dead_letters, hand_off, &config.integrations, &integrations)?;
        let readers = CookieReaders {
            consent: &consent,
            anonymous_ids: &config.identity.anonymous_id_cookies,
            remember_email: remember_email.as_ref(),
        };
        let carried = Carried::compile(&config.secrets, &readers, &integrations)
            .map_err(|error| Invalid::new("secrets", error.to_string()))?;
        let limits = config.endpoints.limits();
        let left = MAX_HELD_BYTES.saturating_sub(limits.captured_bytes);
        if delivery.max_bytes > left {
            let problem = format!(
                "expected at most {left}, since with endpoints.max_captured_bytes it may be {MAX_HELD_BYTES}: a VM has 1 GiB"
            );
            return Err(Invalid::new("delivery.queue.max_bytes", problem));
        }
        let endpoints = Endpoints::new(&config.endpoints.base_path)
            .map_err(|problem| Invalid::new("endpoints.base_path", problem))?;
        Ok(Self {
            endpoints: endpoints
                .with_import(config.endpoints.import)
                .with_deliver(config.endpoints.deliver.is_some()),
            reply: config.endpoints.reply,
            relay_when: config.endpoints.relay_when,
            limits,
            anonymous_id_cookies: config.identity.anonymous_id_cookies.clone(),
            client_from_context: config.identity.client_from_context,
            issue_anonymous_id,
            remember_email,
            kept_headers: kept_headers(
                sources.as_ref(),
                &consent,
                &integrations,
                config.endpoints.deliver.is_some(),
            ),
            sources,
            consent,
            deduplication_window: config.deduplication.window.get(),
            order_window: config.deduplication.order_window.get(),
            bots: config.bots.compile()?,
            projection,
            fields,
            delivery,
            deliver: config.endpoints.deliver.as_ref().map(DeliverSettings::limits),
            records: config.records.as_ref().map(RecordSettings::compile).transpose()?,
            hand_off,
            dead_letters,
            carried,
            integrations,
            plain_secrets: Vec::new(),
        })
    }

    /// Returns how long a delivery can take, from its offer to its end. `within`: how long its sender waits, if one does.
    pub fn lease(&self, within: Option<Duration>) -> Duration {
        match within {
            Some(within) => within.saturating_add(self.delivery.after_timeout()),
            None => self.delivery.lease(),
        }
    }

    /// Returns the longest time that any delivery can take.
    pub fn longest_lease(&self) -> Duration {
        let deliver = self.deliver.map(|deliver| deliver.within);
        let hand_off = self.hand_off.and_then(|hand_off| Some(hand_off.limits?.within));
        self.lease(None).max(self.lease(deliver)).max(self.lease(hand_off))
    }

    /// Whether a part of a client's request goes along with an event that a queue passes on. A header's name is in lowercase.
    pub fn carries(&self, part: RequestPart<'_>) -> bool {
        let is_read = |name| self.integrations.iter().any(|one| one.destination.reads_cookie(name));
        self.carried.has(part) || matches!(part, RequestPart::Cookie(name) if is_read(name))
    }

    /// Returns the enabled integration of that name.
    pub fn integration(&self, name: &str) -> Option<&Integration> {
        self.integrations.iter().find(|integration| integration.name == name)
    }

    /// Whether the integration of that index carries what others decide, and so gets no events of its own accord.
    pub fn is_carrier(&self, lane: usize) -> bool {
        self.hand_off.is_some_and(|hand_off| hand_off.lane == lane) || self.is_for_dead_letters(lane)
    }

    /// Whether the integration of that index sends the dead letters.
    pub fn is_for_dead_letters(&self, lane: usize) -> bool {
        self.dead_letters.as_ref().is_some_and(|letters| letters.lane == lane)
    }

    /// Whether any module can use a request header, given in lowercase; no other is kept.
    pub fn keeps_header(&self, name: &str) -> bool {
        self.kept_headers.iter().any(|kept| **kept == *name)
    }

    /// Returns the id of an event's source, by which its messages and orders are told from those of other sources. Empty if no
    /// sources are configured.
    pub fn source_id(&self, source: Option<SourceIndex>) -> &str {
        source.zip(self.sources.as_ref()).map_or("", |(source, sources)| sources.id(source))
    }

    /// Whether the filter sets cookies of its own at all.
    pub fn sets_cookies(&self) -> bool {
        self.issue_anonymous_id.is_some() || self.remember_email.is_some()
    }
}

/// Returns the paths of secrets in plain text. The write keys of a source are secret only if they allow a client to send events
/// for any visitor; others are in every visitor's browser.
fn plain_secrets(config: &Config, document: &Document) -> Vec<String> {
    let mut paths = document.take_plain_secrets();
    for (at, source) in config.sources.iter().flatten().enumerate() {
        if source.client_from_context == Some(ClientFromContext::Always) {
            let keys = (0..source.keys.len()).map(|nth| format!("sources[{at}].keys[{nth}]"));
            paths.extend(keys.filter(|path| !document.is_hidden(path)));
        }
    }
    paths
}

/// Returns the request headers that any module can use, in lowercase.
fn kept_headers(
    sources: Option<&Sources>,
    consent: &ConsentRules,
    integrations: &[Integration],
    has_deliver: bool,
) -> Vec<Box<str>> {
    let mut kept: Vec<Box<str>> = HEADERS.map(Box::from).into();
    let mut keep = |name: &str| {
        if !kept.iter().any(|known| **known == *name) {
            kept.push(name.into());
        }
    };
    consent.headers().for_each(&mut keep);
    sources.into_iter().flat_map(Sources::headers).for_each(&mut keep);
    if has_deliver {
        keep("prefer");
    }
    // One of ours can only come where one is sent or taken.
    let has_cloud_events = has_deliver || integrations.iter().any(|one| one.sends_whole_events);
    cloud_events::HEADERS.into_iter().filter(|_| has_cloud_events).for_each(&mut keep);
    for integration in integrations {
        integration.plan.request_parts(&mut |part| {
            if let RequestPart::Header(name) = part {
                keep(name);
            }
        });
    }
    kept
}

/// The request headers that are needed whatever the configuration.
const HEADERS: [&str; 5] = ["user-agent", "cookie", "referer", "content-encoding", "x-ip-policy"];
