use super::*;
use proptest::prelude::*;

#[test]
fn a_number_keeps_the_digits_it_came_with() {
    assert_eq!(Json::parse(" 129.990 ").unwrap().as_str(), "129.990");
}

#[test]
fn a_lone_surrogate_becomes_one_replacement_character_in_values_and_keys() {
    assert_eq!(Json::parse(r#""a\ud83db""#).unwrap().text().unwrap(), "a\u{FFFD}b");
    let object = Json::parse(r#"{"k\udc00":1,"k\u00e9":"\ud83d\ude00"}"#).unwrap();
    let members = object.members();
    assert_eq!(members[0].0, "k\u{FFFD}");
    assert_eq!(members[1].1.text().unwrap(), "😀");
    for (halves, decoded) in [
        (r"\ud83d\ud83d\ude00", "\u{FFFD}😀"),
        (r"\ud83d\u0041", "\u{FFFD}A"),
        (r"\ud83d\n", "\u{FFFD}\n"),
        (r"\ude00\ud83d", "\u{FFFD}\u{FFFD}"),
    ] {
        assert_eq!(Json::parse(&format!("\"{halves}\"")).unwrap().text().unwrap(), decoded, "{halves}");
    }
}

#[test]
fn of_two_members_with_one_key_the_last_counts_as_in_javascript() {
    let object = Json::parse(r#"{"a":1,"b":2,"a":3}"#).unwrap();
    assert_eq!(object.get("a").unwrap().as_str(), "3");
    assert!(object.get("c").is_none());
}

#[test]
fn deep_nesting_is_no_recursion() {
    let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    assert_eq!(Json::parse(&deep).unwrap().kind(), Kind::Array);
}

#[test]
fn one_value_is_json_with_nothing_but_white_space_around_it() {
    for (text, value) in [
        (" \t\r\n{ \"a\" : [ 1 , 2 ] }\n", "{ \"a\" : [ 1 , 2 ] }"),
        ("[]", "[]"),
        ("-0", "-0"),
        ("1.50E+09", "1.50E+09"),
        ("123456789012345678901234567890.5e-999", "123456789012345678901234567890.5e-999"),
        ("1e999", "1e999"),
        ("null", "null"),
        ("\"\u{7f}é\"", "\"\u{7f}é\""),
        (r#""\"\\\/\b\f\n\r\t\u00E9\uD83d""#, r#""\"\\\/\b\f\n\r\t\u00E9\uD83d""#),
    ] {
        assert_eq!(Json::parse(text).unwrap().as_str(), value, "{text}");
    }
}

#[test]
fn what_is_nearly_json_is_refused() {
    for text in [
        "",
        " ",
        "\u{feff}{}",
        "\u{c}1",
        "\u{a0}1",
        "1 2",
        "{} x",
        "[1,]",
        "[,1]",
        "[1 2]",
        "[1",
        "1]",
        "[1}",
        "{1:2}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{\"a\" 1}",
        "{a:1}",
        "{\"a\":1",
        "tru",
        "nul",
        "falsy",
        "True",
        "NaN",
        "Infinity",
        "01",
        "-",
        "+1",
        ".5",
        "1.",
        "1.e5",
        "1e",
        "1e+",
        "0x1",
        "'a'",
        "\"a",
        "\"a\u{1}\"",
        "\"a\nb\"",
        r#""\x""#,
        r#""\u12""#,
        r#""\u12g4""#,
        r#""\"#,
        "{\"a\u{1}\":1}",
        "{\"a\tb\":1}",
        r#"{"\q":1}"#,
        "// a\n1",
    ] {
        assert!(Json::parse(text).is_err(), "{text:?}");
    }
}

#[test]
fn a_string_means_what_its_escapes_say() {
    for (string, text) in [
        (r#""""#, ""),
        (r#""plain é 😀""#, "plain é 😀"),
        (r#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{c}\n\r\t"),
        (r#""\u0041\u00e9\u00E9\u20ac\u0000""#, "Aéé€\0"),
        (r#""a\ud83d\ude00b""#, "a😀b"),
    ] {
        assert_eq!(Json::parse(string).unwrap().text().unwrap(), text, "{string}");
    }
    for other in ["1", "null", "true", "[\"a\"]", "{\"a\":\"b\"}"] {
        assert_eq!(Json::parse(other).unwrap().text(), None, "{other}");
    }
}

#[test]
fn a_string_is_written_with_the_escapes_that_json_needs_and_no_other() {
    for (text, string) in [
        ("", r#""""#),
        ("plain / é 😀 \u{7f} \u{2028}", "\"plain / é 😀 \u{7f} \u{2028}\""),
        ("\"\\", r#""\"\\""#),
        ("\u{8}\t\n\u{c}\r", r#""\b\t\n\f\r""#),
        ("\0 \u{1f}é", r#""\u0000 \u001fé""#),
    ] {
        assert_eq!(written(text), string, "{text:?}");
    }
}

#[test]
fn members_and_items_come_in_their_order_and_repeated() {
    let object = Json::parse(r#" { "b" : 1 , "a" : {"x":[]} , "b" : 1.50 } "#).unwrap();
    let members: Vec<_> = object.members().into_iter().map(|(key, value)| (key, value.as_str())).collect();
    assert_eq!(members, [("b".into(), "1"), ("a".into(), r#"{"x":[]}"#), ("b".into(), "1.50")]);
    let array = Json::parse(r#"[ "b" , null, [1 , 2],"b"]"#).unwrap();
    let items: Vec<_> = array.items().into_iter().map(Json::as_str).collect();
    assert_eq!(items, [r#""b""#, "null", "[1 , 2]", r#""b""#]);
    assert_eq!(array.nth(2).unwrap().as_str(), "[1 , 2]");
    assert!(array.nth(4).is_none() && array.get("b").is_none() && object.nth(0).is_none());
    assert!(array.members().is_empty() && object.items().is_empty());
}

#[test]
fn of_what_is_no_json_to_its_end_all_before_the_fault_is_seen() {
    for object in [r#"{"a":1,"b":}"#, r#"{"a":1"#, r#"{"a":1} x"#, "{\"a\":1,\"\u{1}\":2}"] {
        let mut seen = Vec::new();
        assert!(!for_each_member(object, &mut |key, value| seen.push((key, value.as_str()))), "{object}");
        assert_eq!(seen, [("a".into(), "1")], "{object}");
    }
    let mut seen = Vec::new();
    assert!(!for_each_item("[1,2,x]", &mut |item| seen.push(item.as_str())));
    assert_eq!(seen, ["1", "2"]);
    assert!(!for_each_member("[]", &mut |_, _| ()) && !for_each_item("{}", &mut |_| ()));
}

proptest! {
    #[test]
    fn any_string_that_is_written_is_read_back(text in ".*|[\u{0}-\u{ff}😀]{0,20}") {
        let string = written(&text);
        prop_assert_eq!(Json::parse(&string).unwrap().text().unwrap(), text);
    }

    #[test]
    fn any_text_at_all_is_read_or_refused_without_a_panic(text in ".{0,200}|[\\[\\]{}\",:0-2.eE+\\- \n]{0,12}") {
        if let Ok(json) = Json::parse(&text) {
            let _ = (json.kind(), json.text(), json.members(), json.items(), json.get("a"), json.nth(3));
        }
        let known = Json::known(&text);
        let _ = (known.kind(), known.text(), known.members(), known.items(), known.get("a"), known.nth(3));
    }
}
