use proptest::prelude::*;

use super::*;
use crate::consent::bits::testing::Writer;

mod oracle;
mod us_sections;

/// A string all of whose sections can be read.
fn read(text: &[u8]) -> Option<GppString<'_>> {
    super::read(text).filter(|string| !string.has_unreadable_section())
}

/// A Fibonacci code of an integer above 0.
fn put_fibonacci(writer: &mut Writer, integer: u32) {
    let mut values = vec![1, 2];
    while *values.last().unwrap() <= integer {
        values.push(values[values.len() - 1] + values[values.len() - 2]);
    }
    let mut code = Vec::new();
    let mut rest = integer;
    for value in values.into_iter().rev() {
        let bit = value <= rest;
        rest -= if bit { value } else { 0 };
        if bit || !code.is_empty() {
            code.push(bit);
        }
    }
    writer.0.extend(code.into_iter().rev());
    writer.0.push(true);
}

/// Ids that follow each other, and whether to write them as a group.
type Run = (Vec<u32>, bool);

fn header(runs: &[Run]) -> Writer {
    let mut writer = Writer::default();
    writer.put(3, 6);
    writer.put(1, 6);
    let items: usize = runs.iter().map(|(ids, group)| if *group { 1 } else { ids.len() }).sum();
    writer.put(items as u64, 12);
    let mut last = 0;
    for (ids, group) in runs {
        if *group {
            writer.put(1, 1);
            put_fibonacci(&mut writer, ids[0] - last);
            put_fibonacci(&mut writer, ids.len() as u32 - 1);
            last = ids[ids.len() - 1];
        } else {
            for id in ids {
                writer.put(0, 1);
                put_fibonacci(&mut writer, id - last);
                last = *id;
            }
        }
    }
    writer
}

/// The header of a string with a single section.
fn header_of(id: u32) -> String {
    header(&[(vec![id], false)]).base64url(6)
}

fn stated(text: &str) -> Option<(Option<&str>, bool, bool)> {
    let string = read(text.as_bytes())?;
    Some((string.tcf().map(|tcf| std::str::from_utf8(tcf).unwrap()), string.sale_opt_out(), string.gpc()))
}

#[test]
fn the_examples_of_the_iab_read_as_published() {
    const TCF: &str = "CPXxRfAPXxRfAAfKABENB-CgAAAAAAAAAAYgAAAAAAAA";
    for (text, tcf) in [
        (format!("DBABM~{TCF}"), Some(TCF)),
        (format!("DBABMA~{TCF}"), Some(TCF)),
        (format!("DBACNY~{TCF}~1YNN"), Some(TCF)),
        (format!("DBACNYA~{TCF}~1YNN"), Some(TCF)),
        // Sections 5 and 6: the Canadian TCF is not for Europe's reader.
        (format!("DBABjw~{TCF}~1YNN"), None),
    ] {
        assert_eq!(stated(&text), Some((tcf, false, false)), "{text}");
    }
    assert_eq!(stated("DBABTA~1YYN"), Some((None, true, false)));
}

/// Cookies of OneTrust and others as they were seen in public code, and strings from reports to the IAB's libraries.
#[test]
fn strings_of_consent_tools_are_read() {
    for (text, opted_out, gpc) in [
        ("DBABLA~BVQVAAAAAgA.QA", true, false),
        ("DBABLA~BVQqAAAACgA.QA", false, false),
        ("DBABLA~BAAAAAAAAgA.QA", false, false),
        ("DBABLA~BVVqAAEABCA", false, false),
        ("DBABLA~BVQqAAAACZA.QA", false, false),
        ("DBABLA~BVQqAAAAAAJY.QA", false, false),
        ("DBABLA~BVVVVVVVVWA.YA", true, true),
        ("DBABLA~CAAAAAAAAAWA.Q", false, false),
        // The fields of version 2 under version 1.
        ("DBABLA~BVQVAAAAAAGA.YA", true, true),
        // Filled up to digits only, and not to bytes.
        ("DBABL~BVQVAAAAAg", true, false),
        ("DBABL~BVQqAAAAAg", false, false),
        ("DBABBg~BAAAAACA.QA", false, false),
        ("DBABBg~BUUAAAGA.QA", true, false),
        ("DBABBg~BUoAAAKA.QA", false, false),
        ("DBABBg~BVqqqqpY.YA", false, true),
        ("DBABzw~1YNY~BVQqAAAAAgA", false, false),
        ("DBABzw~1YYY~BVQqAAAAAgA", true, false),
        // No choice yet.
        ("DBAA", false, false),
    ] {
        assert_eq!(stated(text), Some((None, opted_out, gpc)), "{text}");
    }
}

#[test]
fn a_string_whose_sections_do_not_match_its_header_cannot_be_read() {
    for text in [
        "",
        "~",
        "DBAA~",
        "DBABLA",
        "DBABLA~",
        "DBABTA",
        "DBABTA~",
        "DBABTA~1YNN~",
        "DBABTA~1YNN~1YNN",
        "DBABzw~1YNN",
        "DBACNY~CPXxRfAPXxRfAAfKABENB-CgAAAAAAAAAAYgAAAAAAAA",
        "DBABTA.~1YNN",
        " DBABTA~1YNN",
        "DBABTA=~1YNN",
        "DBABTA~1YN",
        "DBABTA~2YNN",
        // Another type and another version of the header.
        "CBABTA~1YNN",
        "DCABTA~1YNN",
        // A header that ends in the middle of an id.
        "DBAB~1YNN",
        "DBABA~1YNN",
        "DB",
    ] {
        assert_eq!(read(text.as_bytes()), None, "{text}");
    }
}

#[test]
fn a_section_that_is_not_read_here_neither_grants_nor_refuses() {
    for id in [1, 3, 4, 5, 28, 40, 63, 1000] {
        for section in ["", "BVVVVVVVVWA.YA", "1YYN", "\u{1}?=="] {
            let text = format!("{}~{section}", header_of(id));
            assert_eq!(stated(&text), Some((None, false, false)), "section {id}: {section}");
        }
    }
}

#[test]
fn a_header_that_stands_for_millions_of_ids_is_read_no_further_than_there_are_sections() {
    let mut millions = Writer::default();
    millions.put(3, 6);
    millions.put(1, 6);
    millions.put(4095, 12);
    for _ in 0..400 {
        millions.put(1, 1);
        put_fibonacci(&mut millions, 1);
        put_fibonacci(&mut millions, 1_000_000);
    }
    let text = millions.base64url(6) + &"~".repeat(500);
    assert_eq!(read(text.as_bytes()), None);
}

#[test]
fn an_id_that_fits_no_integer_cannot_be_read() {
    for zeros in [30, 60, 24_000] {
        let mut writer = header(&[]);
        writer.0[23] = true;
        writer.0.extend(vec![false; zeros]);
        writer.put(0b11, 2);
        let text = writer.base64url(6) + "~1YNN";
        assert_eq!(read(text.as_bytes()).is_some(), zeros == 30, "{zeros} zeros");
    }
}

/// Ascending ids in runs, some of them groups.
fn any_runs() -> impl Strategy<Value = Vec<Run>> {
    prop::collection::vec((1..20_u32, 1..6_u32, any::<bool>()), 0..8).prop_map(|runs| {
        let mut last = 0;
        let run = |(gap, length, group): (u32, u32, bool)| {
            let ids: Vec<u32> = (last + gap..last + gap + length).collect();
            last += gap + length - 1;
            (ids, group && length > 1)
        };
        runs.into_iter().map(run).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn each_id_of_the_header_is_given_its_section(
        runs in any_runs(),
        opted_out in prop::collection::vec(any::<bool>(), 48),
        unit in prop_oneof![Just(6), Just(8), Just(24)],
    ) {
        let mut text = header(&runs).base64url(unit);
        let mut expected = (None, false, false);
        for (at, id) in runs.iter().flat_map(|(ids, _)| ids).enumerate() {
            let opted_out = opted_out[at];
            let section = match id {
                2 => "CPXx.IFoE".to_owned(),
                6 => (if opted_out { "1YYN" } else { "1YNN" }).to_owned(),
                7..=23 => us_sections::encode(*id, opted_out).base64url(unit),
                24..=27 => (if opted_out { "BVVU" } else { "BQAA" }).to_owned(),
                // Would be an opt-out if it were read.
                _ => "1YYN".to_owned(),
            };
            expected.0 = if *id == 2 { Some("CPXx.IFoE") } else { expected.0 };
            expected.1 |= (6..=27).contains(id) && opted_out;
            text = text + "~" + &section;
        }
        prop_assert_eq!(stated(&text), Some(expected), "{}", text);
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(
        start in prop_oneof![Just(""), Just("DBAB"), Just("DBABLA~"), Just("DBABLA~B"), Just("DBABzw~1YNN~"), Just("D__")],
        rest in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..4096),
            "[A-Za-z0-9_.~-]{0,700}".prop_map(String::into_bytes),
        ],
    ) {
        super::read(&[start.as_bytes(), &rest].concat());
    }
}

#[test]
fn what_a_section_records_counts_beside_one_that_cannot_be_read() {
    for text in ["DBABzw~1YYN~BV", "DBABzw~1YYN~"] {
        let string = super::read(text.as_bytes()).unwrap();
        assert!(string.sale_opt_out() && string.has_unreadable_section(), "{text}");
    }
}
