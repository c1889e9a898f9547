//! The module in an interpreter, called back as Envoy does.

use std::collections::BTreeMap;
use std::time::Duration;

use wasmi::{CompilationMode, Config, Engine, ExternType, Instance, Linker, Module as Code, Store, Val};

use super::envoy::{Answer, Envoy, Exchange};
use super::imports;
use super::tally::Tally;
use super::wire::Headers;

/// The id of the root context. Streams have those after it.
pub const ROOT: u32 = 1;

/// More than any callback takes. What is left of it tells how many instructions there were.
const FUEL: u64 = 1 << 40;

/// A module that never stops its timer would run forever.
const MOST_STEPS: usize = 10_000;

pub struct Module {
    store: Store<Envoy>,
    instance: Instance,
    next_stream: u32,
    /// What it has done since [`Module::take_tally`].
    tally: Tally,
}

impl Module {
    /// Loads the module and starts its root context.
    pub fn start(code: &[u8], envoy: Envoy) -> Self {
        let size = u32::try_from(envoy.configuration.len()).unwrap();
        let mut module = Self::load(code, envoy);
        module.call_back("_initialize", ROOT, &[]);
        module.call_back("proxy_on_context_create", ROOT, &[ROOT, 0]);
        module.call_back("proxy_on_vm_start", ROOT, &[ROOT, 0]);
        let accepted = module.call_back("proxy_on_configure", ROOT, &[ROOT, size]);
        assert_eq!(accepted, Some(1), "the configuration was refused: {:?}", module.envoy().complaints);
        module
    }

    /// Loads the module, without a call to it.
    pub fn load(code: &[u8], envoy: Envoy) -> Self {
        let mut config = Config::default();
        // Translating a function at its first call would use up fuel.
        config.consume_fuel(true).compilation_mode(CompilationMode::Eager);
        let engine = Engine::new(&config);
        let code = Code::new(&engine, code).unwrap();
        let mut store = Store::new(&engine, envoy);
        store.set_fuel(FUEL).unwrap();
        let instance = linker(&engine, &code).instantiate_and_start(&mut store, &code).unwrap();
        let allocate = instance.get_typed_func(&store, "proxy_on_memory_allocate");
        store.data_mut().memory = instance.get_memory(&store, "memory");
        store.data_mut().allocate = allocate.ok();
        Self { store, instance, next_stream: ROOT + 1, tally: Tally::default() }
    }

    pub fn envoy(&self) -> &Envoy {
        self.store.data()
    }

    /// Lets time pass in which nothing happens.
    pub fn wait(&mut self, time: Duration) {
        self.store.data_mut().now += time;
    }

    /// Returns what it has done, and begins to count anew.
    pub fn take_tally(&mut self) -> Tally {
        std::mem::take(&mut self.tally)
    }

    /// Calls an exported function in a context. `None`: there is none of that name, so Envoy doesn't call it either; or it
    /// returns nothing.
    pub fn call_back(&mut self, name: &'static str, context: u32, arguments: &[u32]) -> Option<i32> {
        let function = self.instance.get_func(&self.store, name)?;
        let arguments: Vec<Val> = arguments.iter().map(|value| Val::I32(value.cast_signed())).collect();
        let mut results = vec![Val::I32(0); function.ty(&self.store).results().len()];
        let envoy = self.store.data_mut();
        (envoy.current, envoy.effective) = (context, None);
        self.store.set_fuel(FUEL).unwrap();
        if let Err(error) = function.call(&mut self.store, &arguments, &mut results) {
            panic!("{name}: {error}; {:?}", self.envoy().complaints);
        }
        let left = self.store.get_fuel().unwrap();
        let mut done = std::mem::take(&mut self.store.data_mut().doing);
        (done.times, done.instructions) = (1, FUEL - left);
        self.tally += Tally(BTreeMap::from([(name, done)]));
        results.first().and_then(|result| result.i32())
    }

    /// Passes a request and the collector's answer through the filter.
    pub fn exchange(&mut self, request: Exchange, answer: &Headers) {
        let stream = self.next_stream;
        self.next_stream += 1;
        let [headers, body, answered] = [request.headers.len(), request.body.len(), answer.len()]
            .map(|count| u32::try_from(count).unwrap());
        self.store.data_mut().streams.insert(stream, request);
        self.call_back("proxy_on_context_create", stream, &[stream, ROOT]);
        let ends = u32::from(body == 0);
        self.passes("proxy_on_request_headers", stream, &[stream, headers, ends]);
        if body > 0 {
            self.passes("proxy_on_request_body", stream, &[stream, body, 1]);
        }
        if let Some(exchange) = self.store.data_mut().streams.get_mut(&stream) {
            answer.clone_into(&mut exchange.answer);
        }
        self.passes("proxy_on_response_headers", stream, &[stream, answered, 0]);
        self.passes("proxy_on_response_body", stream, &[stream, 2, 1]);
        for name in ["proxy_on_log", "proxy_on_done", "proxy_on_delete"] {
            self.call_back(name, stream, &[stream]);
        }
        self.store.data_mut().streams.remove(&stream);
    }

    /// Calls back and asserts that the filter lets the stream go on.
    fn passes(&mut self, name: &'static str, stream: u32, arguments: &[u32]) {
        let action = self.call_back(name, stream, arguments);
        assert!(matches!(action, None | Some(0)), "{name}: the stream is paused ({action:?})");
    }

    /// Lets the timer fire and the vendors answer until neither has anything left to do.
    pub fn settle(&mut self) {
        for _ in 0..MOST_STEPS {
            let envoy = self.store.data_mut();
            let answer_due = envoy.callouts.first().map(|callout| callout.answer_due);
            let Some(due) = answer_due.into_iter().chain(envoy.tick_due).min() else { return };
            envoy.now = due.max(envoy.now);
            if answer_due == Some(due) { self.answer() } else { self.tick() }
        }
        panic!("the filter still has something to do after {MOST_STEPS} steps");
    }

    fn tick(&mut self) {
        self.call_back("proxy_on_tick", ROOT, &[ROOT]);
        // Envoy's timer repeats, unless it was stopped.
        let envoy = self.store.data_mut();
        envoy.set_period(envoy.period);
    }

    /// The vendor of the oldest callout answers it.
    fn answer(&mut self) {
        let envoy = self.store.data_mut();
        let token = envoy.callouts.remove(0).token;
        let answer = answer_of_vendor();
        let [headers, body] =
            [answer.headers.len(), answer.body.len()].map(|count| u32::try_from(count).unwrap());
        envoy.answer = Some(answer);
        self.call_back("proxy_on_http_call_response", ROOT, &[ROOT, token, headers, body, 0]);
        self.store.data_mut().answer = None;
    }
}

/// What either vendor answers: all is well.
fn answer_of_vendor() -> Answer {
    let headers = [
        (":status", "200"),
        ("content-type", "application/json"),
        ("content-length", "16"),
        ("server", "envoy"),
        ("x-envoy-upstream-service-time", "20"),
    ];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())).to_vec();
    Answer { headers, body: br#"{"success":true}"#.to_vec() }
}

/// Links all that the module imports to what the fake plays, by name.
fn linker(engine: &Engine, code: &Code) -> Linker<Envoy> {
    let mut linker = Linker::new(engine);
    for import in code.imports() {
        let ExternType::Func(kind) = import.ty() else { panic!("{import:?} is no function") };
        let name = import.name().to_owned();
        let call = move |caller: wasmi::Caller<'_, Envoy>, arguments: &[Val], results: &mut [Val]| {
            imports::call(&name, caller, arguments, results)
        };
        linker.func_new(import.module(), import.name(), kind.clone(), call).unwrap();
    }
    linker
}
