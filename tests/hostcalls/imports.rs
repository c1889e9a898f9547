//! Envoy's side of the ABI 0.2.1, as far as the module uses it, and the few functions of WASI that it needs.
//!
//! A function that isn't played here can be linked, since the SDK imports all of the ABI, but a call to it is an error.

use std::time::Duration;

use wasmi::{Caller, Error, Val};

use super::call::{Call, Status, number_of};
use super::envoy::{Callout, EPOCH, Envoy};
use super::wire::{self, Headers};

/// The numbers of the maps and buffers that are read or changed here.
const REQUEST_HEADERS: u32 = 0;
const RESPONSE_HEADERS: u32 = 2;
const CALLOUT_HEADERS: u32 = 6;
const REQUEST_BODY: u32 = 0;
const CALLOUT_BODY: u32 = 4;
const CONFIGURATION: u32 = 7;

const LOG_LEVEL_INFO: u32 = 2;
const LOG_LEVEL_WARN: u32 = 3;

/// How long a vendor takes to answer.
const VENDOR_TAKES: Duration = Duration::from_millis(20);

type Result<T = Status> = std::result::Result<T, Error>;

/// Counts the call of that name and plays it.
pub fn call(name: &str, mut caller: Caller<'_, Envoy>, arguments: &[Val], results: &mut [Val]) -> Result<()> {
    *caller.data_mut().doing.calls.entry(name.to_owned()).or_default() += 1;
    let status = play(name, &mut Call::new(&mut caller, arguments))?;
    if let Some(result) = results.first_mut() {
        *result = Val::I32(status as i32);
    }
    Ok(())
}

fn play(name: &str, call: &mut Call) -> Result {
    match name {
        "proxy_log" => log(call),
        "proxy_get_log_level" => give_number(call, 0, LOG_LEVEL_INFO),
        "proxy_get_property" => property(call),
        "proxy_get_buffer_bytes" => buffer(call),
        "proxy_get_header_map_pairs" => header_pairs(call),
        "proxy_get_header_map_value" => header(call),
        "proxy_add_header_map_value" => add_header(call),
        "proxy_get_shared_data" => shared_data(call),
        "proxy_set_shared_data" => set_shared_data(call),
        "proxy_http_call" => http_call(call),
        "proxy_define_metric" => define_metric(call),
        "proxy_increment_metric" => increment_metric(call),
        "proxy_record_metric" => record_metric(call),
        "proxy_set_tick_period_milliseconds" => set_tick_period(call),
        "proxy_set_effective_context" => set_effective_context(call),
        "clock_time_get" => clock(call),
        "random_get" => random(call),
        "environ_sizes_get" => environment_sizes(call),
        "environ_get" => environment(call),
        "fd_write" => print(call),
        _ => Err(Error::new(format!(
            "the fake of Envoy doesn't play {name}: add it to tests/hostcalls/imports.rs"
        ))),
    }
}

fn give_number(call: &mut Call, nth: usize, number: u32) -> Result {
    call.give_number(nth, number)?;
    Ok(Status::Ok)
}

/// Gives the bytes, or says that there are none.
fn give(call: &mut Call, nth: usize, bytes: Option<Vec<u8>>) -> Result {
    let Some(bytes) = bytes else { return Ok(Status::NotFound) };
    call.give(nth, &bytes)?;
    Ok(Status::Ok)
}

fn log(call: &mut Call) -> Result {
    let (level, line) = (call.number(0)?, call.text(1)?);
    if level >= LOG_LEVEL_WARN {
        call.envoy().complaints.push(line);
    }
    Ok(Status::Ok)
}

fn property(call: &mut Call) -> Result {
    // The parts of the path are separated by zeros.
    let path = call.text(0)?.replace('\0', ".");
    let value = call.envoy().property(&path)?;
    give(call, 2, value)
}

fn buffer(call: &mut Call) -> Result {
    let (kind, start, most) = (call.number(0)?, call.number(1)? as usize, call.number(2)? as usize);
    let envoy = call.envoy();
    let bytes = match kind {
        REQUEST_BODY => envoy.stream().map(|stream| stream.body.clone()),
        CALLOUT_BODY => envoy.answer.as_ref().map(|answer| answer.body.clone()),
        CONFIGURATION => Some(envoy.configuration.clone()),
        _ => return Err(Error::new(format!("the fake of Envoy has no buffer {kind}"))),
    };
    give(call, 3, bytes.map(|bytes| bytes.into_iter().skip(start).take(most).collect()))
}

/// The map of that number; `None` where there is none at the moment.
fn headers<'a>(call: &'a mut Call, map: u32) -> Result<Option<&'a mut Headers>> {
    let envoy = call.envoy();
    match map {
        REQUEST_HEADERS => Ok(envoy.stream().map(|stream| &mut stream.headers)),
        RESPONSE_HEADERS => {
            Ok(envoy.stream().map(|stream| &mut stream.answer).filter(|answer| !answer.is_empty()))
        }
        CALLOUT_HEADERS => Ok(envoy.answer.as_mut().map(|answer| &mut answer.headers)),
        _ => Err(Error::new(format!("the fake of Envoy has no map of headers {map}"))),
    }
}

fn header_pairs(call: &mut Call) -> Result {
    let Some(headers) = headers(call, call.number(0)?)? else { return Ok(Status::BadArgument) };
    let pairs = wire::write(headers);
    give(call, 1, Some(pairs))
}

fn header(call: &mut Call) -> Result {
    let name = call.text(1)?;
    let Some(headers) = headers(call, call.number(0)?)? else { return Ok(Status::BadArgument) };
    let value = wire::find(headers, &name).map(<[u8]>::to_vec);
    give(call, 3, value)
}

fn add_header(call: &mut Call) -> Result {
    let (name, value) = (call.text(1)?, call.bytes(3)?);
    let Some(headers) = headers(call, call.number(0)?)? else { return Ok(Status::BadArgument) };
    headers.push((name, value));
    Ok(Status::Ok)
}

fn shared_data(call: &mut Call) -> Result {
    let key = call.bytes(0)?;
    let Some((value, cas)) = call.envoy().shared.get(&key).cloned() else { return Ok(Status::NotFound) };
    call.give(2, &value)?;
    give_number(call, 4, cas)
}

fn set_shared_data(call: &mut Call) -> Result {
    let (key, value, cas) = (call.bytes(0)?, call.bytes(2)?, call.number(4)?);
    let envoy = call.envoy();
    if cas != 0 && envoy.shared.get(&key).is_some_and(|(_, known)| *known != cas) {
        return Ok(Status::CasMismatch);
    }
    envoy.last_cas += 1;
    envoy.shared.insert(key, (value, envoy.last_cas));
    Ok(Status::Ok)
}

/// Sends a callout, which its vendor answers a while later.
fn http_call(call: &mut Call) -> Result {
    let (cluster, headers) = (call.text(0)?, wire::read(&call.bytes(2)?)?);
    if [":method", ":path", ":authority"].iter().any(|name| wire::find(&headers, name).is_none()) {
        return Ok(Status::BadArgument);
    }
    let envoy = call.envoy();
    envoy.last_token += 1;
    *envoy.sent.entry(cluster).or_default() += 1;
    let (token, answer_due) = (envoy.last_token, envoy.now + VENDOR_TAKES);
    envoy.callouts.push(Callout { token, answer_due });
    give_number(call, 9, token)
}

fn define_metric(call: &mut Call) -> Result {
    let name = call.text(1)?;
    let metrics = &mut call.envoy().metrics;
    let at = metrics.iter().position(|(known, _)| *known == name).unwrap_or_else(|| {
        metrics.push((name, 0));
        metrics.len() - 1
    });
    give_number(call, 3, number_of(at + 1)?)
}

/// The value of the metric that the first argument names.
fn metric<'a>(call: &'a mut Call) -> Result<Option<&'a mut i64>> {
    let at = (call.number(0)? as usize).wrapping_sub(1);
    Ok(call.envoy().metrics.get_mut(at).map(|(_, value)| value))
}

fn increment_metric(call: &mut Call) -> Result {
    let by = call.long(1)?;
    let Some(value) = metric(call)? else { return Ok(Status::NotFound) };
    *value += by;
    Ok(Status::Ok)
}

/// Of a histogram only the number of its values is kept.
fn record_metric(call: &mut Call) -> Result {
    let Some(value) = metric(call)? else { return Ok(Status::NotFound) };
    *value += 1;
    Ok(Status::Ok)
}

fn set_tick_period(call: &mut Call) -> Result {
    let period = Duration::from_millis(call.number(0)?.into());
    call.envoy().set_period(period);
    Ok(Status::Ok)
}

fn set_effective_context(call: &mut Call) -> Result {
    let context = call.number(0)?;
    let envoy = call.envoy();
    if context != super::module::ROOT && !envoy.streams.contains_key(&context) {
        return Ok(Status::BadArgument);
    }
    envoy.effective = Some(context);
    Ok(Status::Ok)
}

/// The real time has the number 0, and the monotonic clock 1.
fn clock(call: &mut Call) -> Result {
    let since = match call.number(0)? {
        0 => EPOCH,
        1 => Duration::ZERO,
        other => return Err(Error::new(format!("the fake of Envoy has no clock {other}"))),
    };
    let nanoseconds =
        u64::try_from((since + call.envoy().now).as_nanos()).map_err(|_| Error::new("a late time"))?;
    call.write(call.number(2)?, &nanoseconds.to_le_bytes())?;
    Ok(Status::Ok)
}

/// The same bytes in each run.
fn random(call: &mut Call) -> Result {
    let mut bytes = vec![0; call.number(1)? as usize];
    call.envoy().random.fill(&mut bytes);
    call.write(call.number(0)?, &bytes)?;
    Ok(Status::Ok)
}

/// The variables as the module gets them, each with a zero at its end.
fn variables(call: &mut Call) -> Vec<Vec<u8>> {
    let environment = &call.envoy().environment;
    environment.iter().map(|(name, value)| format!("{name}={value}\0").into_bytes()).collect()
}

fn environment_sizes(call: &mut Call) -> Result {
    let variables = variables(call);
    let size = variables.iter().map(Vec::len).sum::<usize>();
    call.give_number(0, number_of(variables.len())?)?;
    give_number(call, 1, number_of(size)?)
}

fn environment(call: &mut Call) -> Result {
    let (mut pointer, mut text) = (call.number(0)?, call.number(1)?);
    for variable in variables(call) {
        call.write(pointer, &text.to_le_bytes())?;
        call.write(text, &variable)?;
        pointer += 4;
        text += number_of(variable.len())?;
    }
    Ok(Status::Ok)
}

/// What is written to a file, which can only be the standard error: Rust's last words.
fn print(call: &mut Call) -> Result {
    let (vectors, count) = (call.number(1)?, call.number(2)?);
    let mut written = Vec::new();
    for at in (vectors..).step_by(8).take(count as usize) {
        let number = |call: &Call, at| {
            let bytes = call.read(at, 4)?.try_into().map_err(|_| Error::new("a number of 4 bytes"))?;
            Result::Ok(u32::from_le_bytes(bytes))
        };
        written.extend(call.read(number(call, at)?, number(call, at + 4)?)?);
    }
    let length = number_of(written.len())?;
    call.envoy().complaints.push(String::from_utf8_lossy(&written).into_owned());
    give_number(call, 3, length)
}
