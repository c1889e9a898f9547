use lib_tcstring::TcModelV2;
use proptest::prelude::*;

use super::*;
use crate::consent::bits::testing::Writer;

/// The example of the IAB's specification: purposes 1, 2 and 3, vendors 2, 6 and 8.
const IAB_EXAMPLE: &str = "COvFyGBOvFyGBAbAAAENAPCAAOAAAAAAAAAAAEEUACCKAAA";

const MARKETING_PURPOSES: [u32; 5] = [1, 2, 3, 4, 7];

#[derive(Clone, Debug)]
pub(in crate::consent) enum Vendors {
    BitField(Vec<bool>),
    Ranges(Vec<(u16, Option<u16>)>),
}

/// A whole core segment with consent to these purposes and vendors, and to all by legitimate interest, which must not count.
pub(in crate::consent) fn encode(purposes: &[u32], vendors: &Vendors) -> String {
    let mut writer = Writer::default();
    writer.put(2, 6);
    writer.0.resize(PURPOSES_CONSENT, false);
    for purpose in 1..=24 {
        writer.put(u64::from(purposes.contains(&purpose)), 1);
    }
    writer.put(0xff_ffff, 24);
    writer.0.resize(MAX_VENDOR_ID, false);
    match vendors {
        Vendors::BitField(bits) => {
            writer.put(bits.len() as u64, 16);
            writer.put(0, 1);
            writer.0.extend(bits);
        }
        Vendors::Ranges(ranges) => {
            writer.put(u64::from(u16::MAX), 16);
            writer.put(1, 1);
            writer.put(ranges.len() as u64, 12);
            for (first, last) in ranges {
                writer.put(u64::from(last.is_some()), 1);
                writer.put(u64::from(*first), 16);
                last.iter().for_each(|last| writer.put(u64::from(*last), 16));
            }
        }
    }
    // Every vendor below 100 by legitimate interest, and no publisher restrictions.
    writer.put(100, 16);
    writer.put(0, 1);
    writer.0.extend([true; 100]);
    writer.put(0, 12);
    // Whole bytes, and those in groups of three: so the text needs no padding, and every decoder takes it.
    writer.base64url(24)
}

fn all_of(purposes: &[u32]) -> String {
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
    let purposes: Vec<u32> = (1..=24).filter(|purpose| string.consents_to_purpose(*purpose)).collect();
    assert_eq!(purposes, [1, 2, 3]);
    let vendors: Vec<u16> = (0..=u16::MAX).filter(|vendor| string.contains(*vendor)).collect();
    assert_eq!(vendors, [2, 6, 8]);
}

#[test]
fn marketing_needs_each_of_its_purposes() {
    assert!(grants_marketing(&all_of(&MARKETING_PURPOSES), None));
    for missing in MARKETING_PURPOSES {
        let others: Vec<u32> = (1..=24).filter(|purpose| *purpose != missing).collect();
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

#[test]
fn a_string_cut_within_the_vendors_is_not_read() {
    for vendors in [Vendors::BitField(vec![true; 120]), Vendors::Ranges(vec![(1, Some(100)); 4])] {
        let string = encode(&MARKETING_PURPOSES, &vendors);
        let needed = match vendors {
            Vendors::BitField(_) => VENDORS + 120,
            Vendors::Ranges(_) => VENDORS + 12 + 4 * 33,
        };
        for digits in 0..string.len() {
            let read = TcfString::read(&string.as_bytes()[..digits]);
            assert_eq!(read.is_some(), digits * 6 >= needed, "{digits} digits of {string}");
        }
    }
}

fn any_vendors() -> impl Strategy<Value = Vendors> {
    let id = || prop_oneof![1..=200_u16, 1..u16::MAX];
    prop_oneof![
        prop::collection::vec(any::<bool>(), 0..200).prop_map(Vendors::BitField),
        prop::collection::vec((id(), prop::option::of(id())), 0..20).prop_map(Vendors::Ranges),
    ]
}

/// The purposes and, by id, the vendors that the oracle reads; None where it refuses the string or panics on it.
fn oracle(string: &str) -> Option<(Vec<u8>, Vec<bool>)> {
    let read = std::panic::catch_unwind(|| TcModelV2::try_from(string)).ok()?.ok()?;
    let mut vendors = vec![false; 1 << 16];
    read.vendors_consent.iter().for_each(|id| vendors[usize::from(*id)] = true);
    Some((read.purposes_consent, vendors))
}

fn agrees_with_the_oracle(
    string: &str,
    (purposes, vendors): (Vec<u8>, Vec<bool>),
) -> Result<(), TestCaseError> {
    let read = TcfString::read(string.as_bytes()).unwrap();
    for purpose in 1..=24_u8 {
        prop_assert_eq!(
            read.consents_to_purpose(u32::from(purpose)),
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
        purposes in prop::collection::vec(1..=24_u32, 0..24),
        vendors in any_vendors(),
    ) {
        let string = encode(&purposes, &vendors);
        let expected = oracle(&string).expect("the oracle reads it");
        agrees_with_the_oracle(&string, expected)?;
    }

    #[test]
    fn a_damaged_string_reads_as_the_oracle_reads_it_where_it_does(
        vendors in any_vendors(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), "[A-Za-z0-9_.-]"), 1..6),
    ) {
        let mut string = encode(&MARKETING_PURPOSES, &vendors);
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
