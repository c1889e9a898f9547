//! What the fuzz targets start from: the requests of `tests/cases`, taken apart, and the corpus beside this file.

use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use serde_json::Value;

use crate::case::{Case, Message};
use crate::corpus::{ANSWERS, BODIES, CONFIGURATIONS, CONSENTS, COOKIES, PATHS, TIMESTAMPS, TOKENS};

/// Longer ones only slow libFuzzer down.
const MAX_BYTES: usize = 4096;

/// Writes every input that there is into `folder/TARGET/`, and the words that libFuzzer may put in anywhere into
/// `folder/words`.
pub fn write(folder: &Path, cases: &Path) {
    let messages = messages(cases);
    let all = |texts: &[&str]| texts.iter().map(|text| text.as_bytes().to_vec()).collect::<Vec<_>>();
    let headers = |wanted: &str| {
        let of_all = messages.iter().flat_map(|(_, message)| &message.headers);
        let named =
            of_all.filter(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.clone());
        named.collect::<Vec<_>>()
    };
    let bodies: Vec<Vec<u8>> = messages.iter().map(|(_, message)| message.body.clone()).collect();
    let bodies = [bodies, all(BODIES)].concat();
    let targets: Vec<Vec<u8>> =
        messages.iter().map(|(_, message)| message.target.clone().into_bytes()).collect();
    let targets = [targets, all(PATHS)].concat();
    let cookies = [headers("cookie"), all(COOKIES)].concat();
    let values = cookies.iter().flat_map(|line| line.split(|byte| *byte == b';'));
    let values = values.filter_map(|part| part.splitn(2, |byte| *byte == b'=').nth(1));
    let members: Vec<Vec<u8>> =
        [bodies.clone(), all(CONSENTS)].concat().iter().flat_map(|body| consents(body)).collect();
    let of_cases = messages.iter().map(|(case, _)| case.configuration().to_string().into_bytes());
    let configurations: Vec<Vec<u8>> = of_cases.chain(all(CONFIGURATIONS)).collect();

    for (target, seeds) in [
        ("request", [messages.iter().map(|(_, message)| text(message)).collect(), composed()].concat()),
        ("path", targets.clone()),
        ("pixel", targets.iter().filter(|target| target.contains(&b'?')).cloned().collect()),
        ("consent", [values.map(<[u8]>::to_vec).collect(), members].concat()),
        ("cookies", cookies.clone()),
        ("json", bodies.clone()),
        ("events", bodies.clone()),
        ("body", BODIES.iter().flat_map(|body| packed(&body.as_bytes()[..body.len().min(200)])).collect()),
        ("answer", all(ANSWERS)),
        ("configuration", configurations),
        ("privacy", [targets, headers("user-agent"), headers("referer")].concat()),
        ("timestamp", all(TIMESTAMPS)),
    ] {
        let folder = folder.join(target);
        std::fs::create_dir_all(&folder).unwrap();
        for (number, seed) in seeds.iter().filter(|seed| seed.len() <= MAX_BYTES).enumerate() {
            std::fs::write(folder.join(number.to_string()), seed).unwrap();
        }
    }
    std::fs::write(folder.join("words"), words()).unwrap();
}

/// Every request of every case.
fn messages(cases: &Path) -> Vec<(Case, Message)> {
    let mut files: Vec<_> = std::fs::read_dir(cases).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let yaml = files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "yaml"));
    yaml.flat_map(|file| Case::read(file).unwrap())
        .flat_map(|case| {
            let steps = case.steps().unwrap();
            steps.into_iter().map(move |step| (case.clone(), step.message))
        })
        .collect()
}

/// As the target `request` reads one.
fn text(message: &Message) -> Vec<u8> {
    let mut text = format!("{} {}\n", message.method, message.target).into_bytes();
    for (name, value) in &message.headers {
        text.extend([name.as_bytes(), b": ", value, b"\n"].concat());
    }
    [&text, &b"\n"[..], &message.body].concat()
}

/// Each body of the corpus with some cookies, and each path.
fn composed() -> Vec<Vec<u8>> {
    let posts =
        ["/v1/t", "/v1/batch", "/v1/b", "/v1/events", "/api/s/page"].iter().zip(BODIES.iter().zip(COOKIES));
    let posts = posts.map(|(path, (body, cookie))| {
        format!("POST {path}\ncookie: {cookie}\nreferer: {}\nx-write-key: dk_live_abc123\n\n{body}", PATHS[8])
    });
    let gets = PATHS.iter().map(|path| format!("GET {path}\nuser-agent: Mozilla/5.0 (X11; Linux x86_64)\n"));
    posts.chain(gets).map(String::into_bytes).collect()
}

/// What the events of a body say about consent.
fn consents(body: &[u8]) -> Vec<Vec<u8>> {
    fn find(value: &Value, found: &mut Vec<Vec<u8>>) {
        match value {
            Value::Object(members) => {
                for (key, value) in members {
                    if matches!(key.as_str(), "consent" | "consentManagement") {
                        found.push(value.to_string().into_bytes());
                    }
                    find(value, found);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| find(item, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    if let Ok(value) = serde_json::from_slice(body) {
        find(&value, &mut found);
    }
    found
}

/// As the target `body` reads one, in every encoding.
fn packed(body: &[u8]) -> Vec<Vec<u8>> {
    let fast = Compression::fast();
    let mut gzip = GzEncoder::new(vec![b'g'], fast);
    let mut zlib = ZlibEncoder::new(vec![b'd'], fast);
    let mut deflate = DeflateEncoder::new(vec![b'd'], fast);
    gzip.write_all(body).unwrap();
    zlib.write_all(body).unwrap();
    deflate.write_all(body).unwrap();
    let plain = [&b"i"[..], body].concat();
    vec![gzip.finish().unwrap(), zlib.finish().unwrap(), deflate.finish().unwrap(), plain]
}

/// A dictionary for libFuzzer: one quoted word a line.
fn words() -> String {
    let quoted = TOKENS.iter().map(|token| {
        let bytes = token.bytes().map(|byte| format!("\\x{byte:02x}")).collect::<String>();
        format!("\"{bytes}\"\n")
    });
    quoted.collect()
}
