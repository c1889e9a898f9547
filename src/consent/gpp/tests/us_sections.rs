use super::*;

/// The fields of a core, in numbers of 2-bit fields: notices, then opt-outs of ours, then consents. Three fields about the
/// IAB's agreement end it.
#[derive(Debug)]
struct Fields {
    id: u32,
    version: u64,
    notices: usize,
    opt_outs: usize,
    consents: usize,
}

const fn fields(id: u32, version: u64, notices: usize, opt_outs: usize, consents: usize) -> Fields {
    Fields { id, version, notices, opt_outs, consents }
}

/// Every section that the oracle reads, in each version. Consents: to sensitive data, of children, to other processing.
const SECTIONS: [Fields; 18] = [
    fields(7, 1, 6, 3, 12 + 2 + 1),
    fields(7, 2, 6, 3, 16 + 3 + 1),
    fields(8, 1, 3, 2, 9 + 2 + 1),
    fields(9, 1, 3, 2, 8 + 1),
    fields(10, 1, 3, 2, 7 + 1),
    fields(11, 1, 4, 2, 8 + 1),
    fields(12, 1, 3, 2, 8 + 3),
    fields(13, 1, 3, 2, 8 + 3 + 1),
    fields(14, 1, 3, 2, 8 + 3 + 1),
    fields(15, 1, 3, 2, 11 + 3 + 1),
    fields(16, 1, 3, 2, 8 + 1 + 1),
    fields(17, 1, 3, 2, 9 + 5 + 1),
    fields(18, 1, 4, 2, 8 + 1),
    fields(19, 1, 3, 2, 8 + 1 + 1),
    fields(20, 1, 3, 2, 8 + 3 + 1),
    fields(21, 1, 3, 2, 10 + 5 + 1),
    fields(22, 1, 3, 2, 8 + 1 + 1),
    fields(23, 1, 3, 2, 8 + 1 + 1),
];

/// Virginia, Utah and Florida specify no sub-section for Global Privacy Control, and the oracle refuses one.
const WITHOUT_GPC: [u32; 3] = [9, 11, 13];

impl Fields {
    /// The core with these values in its fields, cyclically. The oracle wants 1 or 2 in the first of the last three.
    fn encode(&self, values: &[u64]) -> Writer {
        let mut writer = Writer::default();
        writer.put(self.version, 6);
        let covered = self.notices + self.opt_outs + self.consents;
        for (at, value) in values.iter().cycle().take(covered + 3).enumerate() {
            writer.put(if at == covered { 1 + value % 2 } else { *value }, 2);
        }
        writer
    }

    /// The core with these opt-outs, and zero in all other fields.
    fn with_opt_outs(&self, opt_outs: &[u64]) -> Writer {
        let mut values = vec![0; self.notices + self.opt_outs + self.consents + 3];
        values[self.notices..self.notices + self.opt_outs].copy_from_slice(opt_outs);
        self.encode(&values)
    }

    fn string(&self, core: &Writer, gpc: Option<bool>, unit: usize) -> String {
        let mut sub_section = Writer::default();
        sub_section.put(1, 2);
        sub_section.put(u64::from(gpc == Some(true)), 1);
        let sub_section = gpc.map(|_| format!(".{}", sub_section.base64url(unit))).unwrap_or_default();
        format!("{}~{}{sub_section}", header_of(self.id), core.base64url(unit))
    }
}

/// A core of the section in its first version: its last opt-out is 1, opted out, or 2.
pub(super) fn encode(id: u32, opted_out: bool) -> Writer {
    let fields = SECTIONS.iter().find(|fields| fields.id == id).unwrap();
    let mut opt_outs = vec![2; fields.opt_outs];
    opt_outs[fields.opt_outs - 1] = if opted_out { 1 } else { 2 };
    fields.with_opt_outs(&opt_outs)
}

fn opted_out_and_gpc(text: &str) -> Option<(bool, bool)> {
    let (tcf, opted_out, gpc) = stated(text)?;
    assert_eq!(tcf, None);
    Some((opted_out, gpc))
}

#[test]
fn each_opt_out_of_each_section_counts_with_every_value_of_the_others() {
    for fields in &SECTIONS {
        for combination in 0..4_u64.pow(fields.opt_outs as u32) {
            let opt_outs: Vec<u64> = (0..fields.opt_outs).map(|at| combination >> (2 * at) & 3).collect();
            let text = fields.string(&fields.with_opt_outs(&opt_outs), None, 6);
            let expected = Some((opt_outs.contains(&1), false));
            assert_eq!(opted_out_and_gpc(&text), expected, "section {}: {opt_outs:?}", fields.id);
            assert_eq!(oracle::read(&text), expected, "the oracle, section {}: {opt_outs:?}", fields.id);
        }
    }
}

#[test]
fn a_truncated_core_cannot_be_read() {
    for fields in &SECTIONS {
        let core = fields.with_opt_outs(&vec![0; fields.opt_outs]);
        let section = core.base64url(24);
        for digits in 0..=section.len() {
            let text = format!("{}~{}", header_of(fields.id), &section[..digits]);
            assert_eq!(read(text.as_bytes()).is_some(), digits * 6 >= core.0.len(), "{text}");
        }
    }
}

#[test]
fn an_unknown_version_cannot_be_read() {
    for fields in &SECTIONS {
        for version in 0..64 {
            let core = Fields { version, ..*fields }.with_opt_outs(&vec![0; fields.opt_outs]);
            let known = version == 1 || (fields.id, fields.version, version) == (7, 2, 2);
            let text = fields.string(&core, None, 6);
            assert_eq!(read(text.as_bytes()).is_some(), known, "section {}, version {version}", fields.id);
        }
    }
}

#[test]
fn an_unknown_sub_section_cannot_be_read() {
    for (sub_section, gpc) in [
        ("Q", Some(false)),
        ("Y", Some(true)),
        ("QA", Some(false)),
        ("YA", Some(true)),
        ("YAAA", Some(true)),
        ("QA.YA", Some(true)),
        ("", None),
        ("A", None),
        ("IA", None),
        ("gA", None),
        ("4A", None),
        ("YA=", None),
        ("YA.", None),
        ("YA.A", None),
    ] {
        let text = format!("DBABLA~BVQqAAAAAgA.{sub_section}");
        assert_eq!(opted_out_and_gpc(&text).map(|(_, gpc)| gpc), gpc, "{sub_section}");
    }
}

/// Vectors from the tests of the IAB's libraries, which have written these sections in both forms.
#[test]
fn the_latest_states_are_read_with_and_without_a_segment_for_id_and_version() {
    for (id, section, expected) in [
        (24, "BVVU.YA", Some((true, true))),
        (24, "BVVV.Y", Some((true, true))),
        (24, "BQAA.QA", Some((false, false))),
        (24, "BQAA", Some((false, false))),
        (24, "YBABYA.BVVU.YA", Some((true, true))),
        (24, "YBAA.AQAA", Some((false, false))),
        (25, "BVVV.kkk", Some((true, false))),
        (25, "BQAA.AAA", Some((false, false))),
        (25, "ZBABYA.BVVV.kkk", Some((true, false))),
        (25, "ZBAA.AQAA", Some((false, false))),
        (26, "BVVV", Some((true, false))),
        (27, "bBAA.AQAA", Some((false, false))),
        // "No consent" to two kinds of sensitive data looks like Gpc, and is not.
        (25, "BQAA.YAA", Some((false, false))),
        // Another version, another state's id, no core, a truncated core.
        (25, "CQAA", None),
        (25, "ZCAA.AQAA", None),
        (25, "aBAA.AQAA", None),
        (25, "ZBAA", None),
        (25, "ZBAA.AQA", None),
        (25, "BQA", None),
        (25, "BQAA.?", None),
    ] {
        let text = format!("{}~{section}", header_of(id));
        assert_eq!(opted_out_and_gpc(&text), expected, "section {id}: {section}");
    }
}

#[test]
fn sale_and_targeted_advertising_each_count_in_the_latest_states() {
    for id in 24..=27 {
        for (sale, targeted) in [(0, 0), (1, 0), (0, 1), (1, 1), (2, 2), (2, 1), (3, 3)] {
            let mut core = Writer::default();
            core.put(1, 6);
            core.put(0b01_01_01_01_01, 10);
            core.put(sale << 2 | targeted, 4);
            core.put(0b01_01, 4);
            let text = format!("{}~{}", header_of(id), core.base64url(6));
            let expected = sale == 1 || targeted == 1;
            assert_eq!(opted_out_and_gpc(&text), Some((expected, false)), "section {id}: {sale} {targeted}");
        }
    }
}

fn any_section() -> impl Strategy<Value = (&'static Fields, Vec<u64>, Option<bool>, usize)> {
    (0..SECTIONS.len(), prop::collection::vec(0..4_u64, 40), any::<Option<bool>>(), 0..3_usize).prop_map(
        |(at, values, gpc, unit)| {
            let fields = &SECTIONS[at];
            let gpc = gpc.filter(|_| !WITHOUT_GPC.contains(&fields.id));
            (fields, values, gpc, [6, 8, 24][unit])
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_well_formed_section_reads_as_the_oracle_reads_it((fields, values, gpc, unit) in any_section()) {
        let text = fields.string(&fields.encode(&values), gpc, unit);
        let expected = oracle::read(&text);
        prop_assert!(expected.is_some(), "the oracle reads {}", text);
        prop_assert_eq!(opted_out_and_gpc(&text), expected, "{}", text);
    }

    #[test]
    fn a_damaged_section_reads_as_the_oracle_reads_it_where_it_does(
        (fields, values, gpc, unit) in any_section(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), "[A-Za-z0-9_-]"), 1..4),
    ) {
        let mut text = fields.string(&fields.encode(&values), gpc, unit);
        let section = header_of(fields.id).len() + 1;
        for (at, digit) in damage {
            let at = section + at.index(text.len() - section);
            text.replace_range(at..=at, &digit);
        }
        let read = opted_out_and_gpc(&text);
        if let Some(expected) = oracle::read(&text) {
            prop_assert_eq!(read, Some(expected), "{}", text);
        }
    }
}
