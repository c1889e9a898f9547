use lib_tcstring::{PublisherRestrictionType, TcModelV2};
use proptest::prelude::*;

use super::*;
use crate::consent::bits::testing::Writer;

/// The example of the IAB's specification: purposes 1, 2 and 3, vendors 2, 6 and 8.
const IAB_EXAMPLE: &str = "COvFyGBOvFyGBAbAAAENAPCAAOAAAAAAAAAAAEEUACCKAAA";

#[derive(Clone, Debug)]
pub(in crate::consent) enum Vendors {
    BitField(Vec<bool>),
    Ranges(Vec<Range>),
}

/// A vendor's id, or the first and the last of a range of them.
type Range = (u16, Option<u16>);

/// A purpose, the type of restriction, and the vendors that the publisher restricts so.
type Restriction = (u64, u64, Vec<Range>);

/// A whole core segment with consent to these purposes and vendors, and to all by legitimate interest, which must not count.
pub(in crate::consent) fn encode(purposes: &[u64], vendors: &Vendors) -> String {
    encode_restricted(purposes, vendors, &[])
}

fn encode_restricted(purposes: &[u64], vendors: &Vendors, restrictions: &[Restriction]) -> String {
    // Whole bytes, and those in groups of three: so the text needs no padding, and every decoder takes it.
    write(purposes, vendors, restrictions).base64url(24)
}

/// The bits of a core segment, without any that fill it up.
fn write(purposes: &[u64], vendors: &Vendors, restrictions: &[Restriction]) -> Writer {
    let mut writer = Writer::default();
    writer.put(2, 6);
    writer.0.resize(PURPOSES_CONSENT, false);
    for purpose in 1..=24 {
        writer.put(u64::from(purposes.contains(&purpose)), 1);
    }
    writer.put(0xff_ffff, 24);
    writer.0.resize(VENDORS_CONSENT, false);
    match vendors {
        Vendors::BitField(bits) => {
            writer.put(bits.len() as u64, 16);
            writer.put(0, 1);
            writer.0.extend(bits);
        }
        Vendors::Ranges(ranges) => {
            writer.put(u64::from(u16::MAX), 16);
            writer.put(1, 1);
            put_ranges(&mut writer, ranges);
        }
    }
    // Every vendor below 100 by legitimate interest.
    writer.put(100, 16);
    writer.put(0, 1);
    writer.0.extend([true; 100]);
    writer.put(restrictions.len() as u64, 12);
    for (purpose, restriction, ranges) in restrictions {
        writer.put(*purpose, 6);
        writer.put(*restriction, 2);
        put_ranges(&mut writer, ranges);
    }
    writer
}

fn put_ranges(writer: &mut Writer, ranges: &[Range]) {
    writer.put(ranges.len() as u64, 12);
    for (first, last) in ranges {
        writer.put(u64::from(last.is_some()), 1);
        writer.put(u64::from(*first), 16);
        last.iter().for_each(|last| writer.put(u64::from(*last), 16));
    }
}

fn all_of(purposes: &[u64]) -> String {
    encode(purposes, &Vendors::BitField(vec![true; 100]))
}

fn vocabulary() -> Vocabulary {
    Vocabulary::new([("marketing", ["ads"])]).unwrap()
}

fn grants_marketing(string: &str, vendor: Option<u16>) -> bool {
    let statement = Tcf.read(string.as_bytes(), &vocabulary());
    assert!(statement.was_asked(), "{string}");
    statement.granted(vendor).contains(Category::Marketing)
}

#[test]
fn the_iab_example_reads_as_published() {
    let string = TcfString::read(IAB_EXAMPLE.as_bytes()).unwrap();
    let purposes: Vec<u64> = (1..=24).filter(|purpose| string.consents_to_purpose(*purpose)).collect();
    assert_eq!(purposes, [1, 2, 3]);
    let vendors: Vec<u16> = (0..=u16::MAX).filter(|vendor| string.contains(*vendor)).collect();
    assert_eq!(vendors, [2, 6, 8]);
}

#[test]
fn marketing_needs_each_of_its_purposes() {
    assert!(grants_marketing(&all_of(&MARKETING_PURPOSES), None));
    for missing in MARKETING_PURPOSES {
        let others: Vec<u64> = (1..=24).filter(|purpose| *purpose != missing).collect();
        assert!(!grants_marketing(&all_of(&others), None), "without purpose {missing}");
    }
}

#[test]
fn a_vendor_of_the_list_needs_consent_to_itself_in_either_encoding() {
    let mut bits = vec![true; 100];
    bits[77] = false;
    for (vendors, consents) in [
        (Vendors::BitField(vec![true; 78]), true),
        (Vendors::BitField(vec![true; 77]), false),
        (Vendors::BitField(bits), false),
        (Vendors::Ranges(vec![(78, None)]), true),
        (Vendors::Ranges(vec![(1, Some(10)), (70, Some(78))]), true),
        (Vendors::Ranges(vec![(1, Some(77)), (79, Some(u16::MAX))]), false),
        (Vendors::Ranges(vec![(u16::MAX, Some(1))]), false),
        (Vendors::Ranges(vec![]), false),
    ] {
        let string = encode(&MARKETING_PURPOSES, &vendors);
        assert_eq!(grants_marketing(&string, Some(78)), consents, "{vendors:?}");
        assert!(grants_marketing(&string, None), "purposes alone for a vendor that is not on the list");
    }
}

#[test]
fn the_memory_of_one_vendor_does_not_answer_for_another() {
    let string = encode(&MARKETING_PURPOSES, &Vendors::Ranges(vec![(78, None)]));
    let string = TcfString::read(string.as_bytes()).unwrap();
    assert!(string.contains(78) && !string.contains(79) && string.contains(78));
}

#[test]
fn other_segments_and_other_versions_grant_nothing() {
    let string = all_of(&MARKETING_PURPOSES);
    assert!(grants_marketing(&format!("{string}.IFukWSQg.YAAA"), Some(78)));
    for unreadable in [
        format!("B{}", &string[1..]),
        format!("D{}", &string[1..]),
        format!(".{string}"),
        format!("{string}="),
        format!("\"{string}\""),
        "-1".into(),
        String::new(),
    ] {
        let statement = Tcf.read(unreadable.as_bytes(), &vocabulary());
        assert_eq!(statement.refused(Categories::NONE), Categories::ALL, "{unreadable}");
    }
}

/// Restrictions of the consent tools of public sites: every purpose with consent only, and some forbidden to all vendors.
#[test]
fn strings_of_consent_tools_are_read_with_their_restrictions() {
    for (string, restricted) in [
        (
            "CP9KXsAP9KXsAAHABBENAwEsAP_gAAAAAAAAF5wBgAIAAqABaAFsAUgC8wAAACkoAMAAQUJKQAYAAgoSQgAwABBQkdABgACChISADAAEFCQA.f_wAAAAAAAAA",
            false,
        ),
        (
            "CQpPqMAQpZjAAAHABBENCsFgAAAAAAAAAAYgAAAAAAEhgAMAAQZhEAAYAAgzCKAAwABBmEYABgACDMJAADAAEGYQkAEBeY6ACAvMlABAXmUgAgLz.IF5wAQF5gAAA",
            true,
        ),
        ("CPnHJ0HPnHJ0HFCABAENC3CsAP_AAH_AAAwIF5wAQF5gXnABAXmAAAAA.YAAAAAAAAAAA", false),
        ("CPXxRfAPXxRfAAfKABENB-CgAAAAAAAAAAYgAAAAAAAA", false),
    ] {
        let string = TcfString::read(string.as_bytes()).unwrap();
        assert_eq!(is_restricted(string.core, string.restrictions, 78), Some(restricted), "{string:?}");
    }
}

/// From a report to the IAB's library, iabtcf-es issue 113: purpose 1 is forbidden to vendors 2 to 8, purpose 2 requires consent for
/// vendors 6 to 9, and purpose 3 requires legitimate interest for vendor 7.
#[test]
fn a_published_string_restricts_the_vendors_that_it_lists() {
    let published = "COutSEYOutSEYDNAFAENATDAAKlAAKlAAAhoAAAAAABggAMAAgAICQAYADAASHAAgAHAAA";
    let string = TcfString::read(published.as_bytes()).unwrap();
    let restricted = |id: &u16| is_restricted(string.core, string.restrictions, *id).unwrap();
    assert_eq!((0..=u16::MAX).filter(restricted).collect::<Vec<_>>(), [2, 3, 4, 5, 6, 7, 8]);
}

#[test]
fn a_publisher_may_keep_a_vendor_from_each_purpose_of_marketing() {
    const NOT_ALLOWED: u64 = 0;
    const REQUIRE_LEGITIMATE_INTEREST: u64 = 2;
    const UNDEFINED: u64 = 3;
    let all: Vec<u64> = (1..=24).collect();
    for purpose in 1..=11 {
        for (restriction, forbids) in [
            (NOT_ALLOWED, true),
            (REQUIRE_CONSENT, false),
            (REQUIRE_LEGITIMATE_INTEREST, true),
            (UNDEFINED, true),
        ] {
            let restrictions = [(purpose, restriction, vec![(78, None)])];
            let string = encode_restricted(&all, &Vendors::BitField(vec![true; 100]), &restrictions);
            let grants = !(forbids && MARKETING_PURPOSES.contains(&purpose));
            assert_eq!(grants_marketing(&string, Some(78)), grants, "purpose {purpose}, type {restriction}");
            assert!(grants_marketing(&string, Some(79)), "another vendor");
            assert!(grants_marketing(&string, None), "a vendor that is not on the list");
        }
    }
}

#[test]
fn a_restriction_holds_for_the_vendors_of_its_ranges_alone() {
    for (ranges, grants) in [
        (vec![(78, None)], false),
        (vec![(1, Some(10)), (70, Some(78))], false),
        (vec![(1, Some(u16::MAX))], false),
        (vec![(1, Some(77)), (79, Some(u16::MAX))], true),
        (vec![(79, Some(77))], true),
        (vec![], true),
    ] {
        // The one behind it shows that each of them is read to its end.
        let restrictions = [(2, 1, vec![(78, None)]), (3, 0, ranges.clone()), (7, 0, vec![(80, None)])];
        let string =
            encode_restricted(&MARKETING_PURPOSES, &Vendors::BitField(vec![true; 100]), &restrictions);
        assert_eq!(grants_marketing(&string, Some(78)), grants, "{ranges:?}");
        assert!(!grants_marketing(&string, Some(80)), "{ranges:?}");
    }
}

#[test]
fn a_string_cut_before_the_end_of_the_restrictions_is_not_read() {
    for vendors in [Vendors::BitField(vec![true; 120]), Vendors::Ranges(vec![(1, Some(100)); 4])] {
        for restrictions in [vec![], vec![(3, 0, vec![(78, None), (80, Some(90))]), (4, 1, vec![])]] {
            let bits = write(&MARKETING_PURPOSES, &vendors, &restrictions);
            let string = bits.base64url(24);
            for digits in 0..string.len() {
                let read = TcfString::read(&string.as_bytes()[..digits]);
                assert_eq!(read.is_some(), digits * 6 >= bits.0.len(), "{digits} digits of {string}");
            }
        }
    }
}

fn any_ranges() -> impl Strategy<Value = Vec<Range>> {
    let id = || prop_oneof![1..=200_u16, 1..u16::MAX];
    prop::collection::vec((id(), prop::option::of(id())), 0..20)
}

fn any_vendors() -> impl Strategy<Value = Vendors> {
    prop_oneof![
        prop::collection::vec(any::<bool>(), 0..200).prop_map(Vendors::BitField),
        any_ranges().prop_map(Vendors::Ranges),
    ]
}

fn any_restrictions() -> impl Strategy<Value = Vec<Restriction>> {
    prop::collection::vec((1..=11_u64, 0..4_u64, any_ranges()), 0..5)
}

/// The purposes and, by id, the vendors that the oracle reads as consented to and not restricted; None where it refuses the
/// string or panics on it.
fn oracle(string: &str) -> Option<(Vec<u8>, Vec<bool>)> {
    let read = std::panic::catch_unwind(|| TcModelV2::try_from(string)).ok()?.ok()?;
    let mut vendors = vec![false; 1 << 16];
    read.vendors_consent.iter().for_each(|id| vendors[usize::from(*id)] = true);
    for restriction in read.publisher_restrictions {
        if MARKETING_PURPOSES.contains(&u64::from(restriction.purpose_id))
            && restriction.restriction_type != PublisherRestrictionType::RequireConsent
        {
            restriction.vendor_list.iter().for_each(|id| vendors[usize::from(*id)] = false);
        }
    }
    Some((read.purposes_consent, vendors))
}

fn agrees_with_the_oracle(
    string: &str,
    (purposes, vendors): (Vec<u8>, Vec<bool>),
) -> Result<(), TestCaseError> {
    let read = TcfString::read(string.as_bytes()).unwrap();
    for purpose in 1..=24_u8 {
        prop_assert_eq!(
            read.consents_to_purpose(u64::from(purpose)),
            purposes.contains(&purpose),
            "{}",
            purpose
        );
    }
    for vendor in (1..=250).chain([u16::MAX - 1, u16::MAX]) {
        prop_assert_eq!(read.contains(vendor), vendors[usize::from(vendor)], "vendor {}", vendor);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_well_formed_string_reads_as_the_oracle_reads_it(
        purposes in prop::collection::vec(1..=24_u64, 0..24),
        vendors in any_vendors(),
        restrictions in any_restrictions(),
    ) {
        let string = encode_restricted(&purposes, &vendors, &restrictions);
        let expected = oracle(&string).expect("the oracle reads it");
        agrees_with_the_oracle(&string, expected)?;
    }

    #[test]
    fn a_damaged_string_reads_as_the_oracle_reads_it_where_it_does(
        vendors in any_vendors(),
        restrictions in any_restrictions(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), "[A-Za-z0-9_.-]"), 1..6),
    ) {
        let mut string = encode_restricted(&MARKETING_PURPOSES, &vendors, &restrictions);
        for (at, digit) in damage {
            let at = at.index(string.len());
            string.replace_range(at..=at, &digit);
        }
        if let Some(expected) = oracle(&string) {
            agrees_with_the_oracle(&string, expected)?;
        } else {
            Tcf.read(string.as_bytes(), &vocabulary()).granted(Some(78));
        }
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(
        start in prop_oneof![Just(""), Just("C")],
        rest in prop_oneof![prop::collection::vec(any::<u8>(), 0..5000), "[A-Za-z0-9_-]{0,700}".prop_map(String::into_bytes)],
    ) {
        let value = [start.as_bytes(), &rest].concat();
        let statement = Tcf.read(&value, &vocabulary());
        statement.granted(Some(78));
        statement.granted(None);
    }
}
