//! The list beside the regular expressions that it was made from, on isbot's own fixtures. They are in tests/bots, from
//! <https://github.com/omrilotan/isbot> (Unlicense). With `UPDATE_BOTS=FOLDER` the list and the fixtures are made anew from a
//! checkout of isbot.

use std::path::Path;

use fancy_regex::Regex;
use proptest::prelude::*;

use super::compile::{compile, list};
use super::matching::is_listed;
use super::*;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/bots");

fn read(file: &str) -> String {
    std::fs::read_to_string(Path::new(FOLDER).join(file)).unwrap()
}

fn patterns() -> Vec<String> {
    serde_json::from_str(&read("patterns.json")).unwrap()
}

/// isbot's own verdict, with the meaning that JavaScript gives its classes and boundaries: ASCII only.
struct Oracle(Regex);

impl Oracle {
    fn new() -> Self {
        Self::of(&patterns().join("|"))
    }

    fn of(pattern: &str) -> Self {
        let ascii = pattern
            .replace(r"[\w\d-.]", r"[0-9A-Z_a-z\-.]")
            .replace(r"\d", "[0-9]")
            .replace(r"\s", " ")
            .replace(r"\b", r"(?:(?<=[\w])(?![\w])|(?<![\w])(?=[\w]))")
            .replace(r"[\w]", r"[0-9A-Z_a-z]");
        // Within a class first: there a class has no brackets of its own.
        let within = Regex::new(r"(\[[^\]]*)\\w").unwrap();
        let ascii = within.replace_all(&ascii, "${1}0-9A-Z_a-z").into_owned().replace(r"\w", "[0-9A-Z_a-z]");
        Self(Regex::new(&format!("(?i){ascii}")).unwrap())
    }

    fn is_bot(&self, user_agent: &str) -> bool {
        self.0.is_match(user_agent).unwrap()
    }
}

fn judged(user_agent: &str) -> bool {
    is_listed(user_agent.to_ascii_lowercase().as_bytes())
}

fn bots(settings: serde_json::Value) -> Bots {
    serde_json::from_value::<BotSettings>(settings).unwrap().compile().unwrap().unwrap()
}

/// Reads a fixture of isbot: lists of User-Agents, each below a name.
fn fixture(folder: &Path, file: &str) -> String {
    let text = std::fs::read_to_string(folder.join("fixtures").join(file)).unwrap();
    let named: std::collections::BTreeMap<String, Vec<String>> = serde_saphyr::from_str(&text).unwrap();
    let mut lines: Vec<String> = named.into_values().flatten().collect();
    lines.sort();
    lines.dedup();
    assert!(!lines.iter().any(|line| line.contains('\n')), "one User-Agent a line");
    lines.join("\n") + "\n"
}

#[test]
fn the_list_is_what_its_patterns_say() {
    if let Some(folder) = std::env::var_os("UPDATE_BOTS") {
        let folder = Path::new(&folder);
        let written: Vec<String> =
            serde_json::from_str(&std::fs::read_to_string(folder.join("src/patterns.json")).unwrap())
                .unwrap();
        std::fs::write(
            Path::new(FOLDER).join("patterns.json"),
            serde_json::to_string_pretty(&written).unwrap() + "\n",
        )
        .unwrap();
        for kind in ["browsers", "crawlers"] {
            std::fs::write(
                Path::new(FOLDER).join(format!("{kind}.txt")),
                fixture(folder, &format!("{kind}.yml")),
            )
            .unwrap();
        }
    }
    let by_hand: Vec<&str> = shapes::ALL.iter().map(|(pattern, _)| *pattern).collect();
    let list = list(&patterns(), &by_hand).unwrap_or_else(|problem| panic!("{problem}"));
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bots/list.rs");
    if std::env::var_os("UPDATE_BOTS").is_some() {
        std::fs::write(&place, &list).unwrap();
    }
    let found = std::fs::read_to_string(&place).unwrap();
    assert!(found == list, "src/bots/list.rs is out of date: scripts/update-bots");
}

#[test]
fn no_browser_that_isbot_knows_is_a_bot() {
    let browsers = read("browsers.txt");
    let flagged: Vec<&str> = browsers.lines().filter(|line| judged(line)).collect();
    assert!(browsers.lines().count() > 500 && flagged.is_empty(), "{flagged:#?}");
}

/// Browsers of which isbot's patterns say otherwise than isbot's fixtures, for each of the reasons in `shapes.rs` and in
/// `is_listed`.
fn is_exception(user_agent: &str) -> bool {
    let lower = user_agent.to_ascii_lowercase();
    lower.starts_with("user-agent:")
        || lower.contains("/|")
        || (lower.starts_with(['(', ';']) && lower.contains(") applewebkit/"))
}

#[test]
fn every_fixture_is_judged_as_isbot_judges_it() {
    let oracle = Oracle::new();
    for file in ["browsers.txt", "crawlers.txt"] {
        for line in read(file).lines().filter(|line| !is_exception(line)) {
            assert_eq!(judged(line), oracle.is_bot(line), "{line}");
        }
    }
}

#[test]
fn nearly_all_crawlers_that_isbot_knows_are_bots() {
    let crawlers = read("crawlers.txt");
    let (all, found) = (crawlers.lines().count(), crawlers.lines().filter(|line| judged(line)).count());
    // The others are no bots by isbot's newest patterns either.
    assert!(all > 400 && found * 100 >= all * 99, "{found} of {all}");
}

#[test]
fn patterns_of_literal_texts_compile_and_others_are_left_to_shapes() {
    let texts = |pattern| {
        compile(pattern)
            .map(|all| all.into_iter().map(|one| (one.text, one.before, one.after)).collect::<Vec<_>>())
    };
    let plain = |text: &str| (text.to_owned(), "Before::Anything".to_owned(), "After::Anything".to_owned());
    assert_eq!(texts(" daum[ /]"), Some(vec![plain(" daum "), plain(" daum/")]));
    assert_eq!(texts(r"mail\.ru/"), Some(vec![plain("mail.ru/")]));
    let google = texts("(?<! channel/|google/)google(?!(?:wv|app))").unwrap().remove(0);
    assert_eq!(google.1, r#"Before::Not(&[" channel/", "google/"])"#);
    assert_eq!(google.2, r#"After::Not(&["wv", "app"])"#);
    for by_hand in
        [r"^\w+/[\w\(\)]*$", "a.b", "a+", "(a|b)c", "x{2,}", r"/\b", r"[a-z]x", r"\wx", "", "[^a]b"]
    {
        assert_eq!(compile(by_hand), None, "{by_hand}");
    }
}

#[test]
fn patterns_are_added_to_the_list_and_exceptions_win_over_both_in_any_case() {
    let bots = bots(
        serde_json::json!({"action": "drop", "patterns": ["MyMonitor"], "except": ["GoogleBOT", "Monitor/2"]}),
    );
    for (user_agent, action) in [
        ("Mozilla/5.0 (X11; Linux x86_64) mymonitor/1.0", BotAction::Drop),
        ("Mozilla/5.0 (X11; Linux x86_64) mymonitor/2.0", BotAction::Off),
        ("Mozilla/5.0 (compatible; Bingbot/2.0; +http://www.bing.com/bingbot.htm)", BotAction::Drop),
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", BotAction::Off),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:38.0) Gecko/20100101 Firefox/38.0", BotAction::Off),
    ] {
        assert_eq!(bots.judge(user_agent), action, "{user_agent}");
    }
}

#[test]
fn each_question_has_an_action_of_its_own() {
    let bots = bots(serde_json::json!({"empty_user_agent": "note", "patterns": ["x"]}));
    assert_eq!((bots.judge("Googlebot"), bots.without_user_agent()), (BotAction::Off, BotAction::Note));
    assert!(BotSettings::default().compile().unwrap().is_none());
}

/// Envoy makes a boolean of it, as YAML 1.1 does; the command line doesn't.
#[test]
fn off_without_quotes_is_off_whoever_reads_the_yaml() {
    let action = |value| {
        serde_json::from_value::<BotSettings>(serde_json::json!({"action": value})).map(|all| all.action)
    };
    assert_eq!(action(serde_json::json!(false)).unwrap(), BotAction::Off);
    assert_eq!(action(serde_json::json!("off")).unwrap(), BotAction::Off);
    for refused in
        [serde_json::json!(true), serde_json::json!("on"), serde_json::json!(0), serde_json::json!("Drop")]
    {
        assert!(action(refused.clone()).is_err(), "{refused}");
    }
}

#[test]
fn a_text_that_every_user_agent_contains_is_refused() {
    for (settings, complaint) in [
        (serde_json::json!({"patterns": ["a", " "]}), "bots.patterns[1]: expected a part of a User-Agent"),
        (serde_json::json!({"except": [""]}), "bots.except[0]: expected a part of a User-Agent"),
        (serde_json::json!({"except": vec!["a"; 101]}), "bots.except: expected at most 100 texts, got 101"),
    ] {
        let refused = serde_json::from_value::<BotSettings>(settings).unwrap().compile().unwrap_err();
        assert!(refused.to_string().starts_with(complaint), "{refused}");
    }
}

/// Text made of what the patterns look at, so that near misses come up often.
fn user_agent() -> impl Strategy<Value = String> {
    let words = [
        "mozilla/5.0 ",
        "(compatible;",
        ")",
        "(",
        " ",
        "/",
        "1",
        "2.0",
        ".",
        "v",
        ";",
        "@",
        "_",
        "-",
        "é",
        "%",
        ",",
        "<",
        "|",
        "bot",
        "bots",
        " cu",
        "news",
        "g",
        "sapphire",
        "google",
        " channel/",
        "google/",
        "app",
        " pixel",
        "wv",
        "scan",
        "cam",
        "http",
        "lib",
        "java",
        "search",
        ".ai",
        ".com",
        "perl",
        "bw/",
        "agent",
        "node",
        "dispatch/",
        "zdm/",
        "ptst ",
        "x",
        "name",
        "12345678901",
    ];
    prop::collection::vec(prop::sample::select(words.to_vec()), 0..9).prop_map(|words| words.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_judged_as_isbot_judges_it(text in user_agent()) {
        thread_local! { static ORACLE: Oracle = Oracle::new(); }
        prop_assume!(!is_exception(&text));
        prop_assert_eq!(judged(&text), ORACLE.with(|oracle| oracle.is_bot(&text)), "{:?}", text);
    }

    #[test]
    fn a_pattern_written_by_hand_decides_as_isbot_writes_it(text in user_agent(), nth in 2..shapes::ALL.len()) {
        thread_local! {
            static ORACLES: Vec<Oracle> = shapes::ALL.iter().map(|(pattern, _)| Oracle::of(pattern)).collect();
        }
        let (pattern, is_shaped) = shapes::ALL[nth];
        let expected = ORACLES.with(|oracles| oracles[nth].is_bot(&text));
        prop_assert_eq!(is_shaped(text.as_bytes()), expected, "{} {:?}", pattern, text);
    }

    #[test]
    fn any_text_at_all_can_be_judged(text in ".{0,200}") {
        judged(&text);
    }
}
