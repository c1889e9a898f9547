//! The strings of the IAB: TCF, GPP and US Privacy.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::dice::{Rng, chance, pick};
use crate::oracle::{Says, Statement};

/// Flashtalking's number on the IAB's list of vendors.
const FLASHTALKING: u64 = 78;
const MARKETING: [u64; 5] = [1, 2, 3, 4, 7];
const ANALYTICS: [u64; 2] = [8, 9];

/// Bits, the highest of a number first.
#[derive(Default)]
struct Bits(Vec<bool>);

impl Bits {
    fn push(&mut self, value: u64, width: u32) -> &mut Self {
        self.0.extend((0..width).rev().map(|bit| value >> bit & 1 == 1));
        self
    }

    fn random(&mut self, rng: &mut Rng, width: u32) -> &mut Self {
        self.push(rng.u64(..) & ((1 << width) - 1), width)
    }

    /// Of a code in which every number ends with two ones.
    fn fibonacci(&mut self, number: u64) {
        let mut steps = vec![1_u64, 2];
        while let [.., one, other] = steps[..]
            && one + other <= number
        {
            steps.push(one + other);
        }
        let mut rest = number;
        let mut bits: Vec<bool> = steps
            .iter()
            .rev()
            .map(|step| {
                let within = *step <= rest;
                rest -= if within { *step } else { 0 };
                within
            })
            .skip_while(|within| !within)
            .collect();
        bits.reverse();
        bits.push(true);
        self.0.extend(bits);
    }

    fn base64(&self) -> String {
        let mut bits = self.0.clone();
        bits.resize(bits.len().next_multiple_of(8), false);
        let byte = |bits: &[bool]| bits.iter().fold(0_u8, |byte, bit| byte << 1 | u8::from(*bit));
        let bytes: Vec<u8> = bits.chunks(8).map(byte).collect();
        URL_SAFE_NO_PAD.encode(bytes)
    }
}

/// A TCF string, and what it states.
pub fn tcf(rng: &mut Rng) -> (Statement, String) {
    if chance(rng, 3) {
        let garbage = pick(
            rng,
            &["unreadable", "", "C", "undefined", "BOEFEAyOEFEAyAHABDENAI4AAAB9vABAASA", "%%%", "."],
        );
        return (Statement::unreadable(), garbage.to_owned());
    }
    let mut purposes: Vec<u64> = (1..=24).filter(|_| chance(rng, 80)).collect();
    if chance(rng, 70) {
        purposes.extend(MARKETING);
    }
    if chance(rng, 50) {
        purposes.extend(ANALYTICS);
    }
    let grants = |all: &[u64]| {
        if all.iter().all(|one| purposes.contains(one)) { Says::Grants } else { Says::Refuses }
    };
    let (marketing, analytics) = (grants(&MARKETING), grants(&ANALYTICS));
    let mut bits = Bits::default();
    bits.push(2, 6).random(rng, 36).random(rng, 36).random(rng, 12).random(rng, 12).random(rng, 6);
    bits.random(rng, 12).random(rng, 12).push(4, 6).random(rng, 1).random(rng, 1).random(rng, 12);
    (1..=24).for_each(|one| _ = bits.push(purposes.contains(&one).into(), 1));
    bits.random(rng, 24).random(rng, 1).random(rng, 12);
    let has_vendor = chance(rng, 75);
    vendors(rng, &mut bits, has_vendor);
    let legitimate_interest = rng.bool();
    vendors(rng, &mut bits, legitimate_interest);
    let restricted = restrictions(rng, &mut bits);
    let mut text = bits.base64();
    if chance(rng, 4) {
        // The last two letters may hold nothing but padding.
        text.truncate(rng.usize(1..text.len() - 2));
        return (Statement::unreadable(), text);
    }
    if chance(rng, 30) {
        let mut publisher = Bits::default();
        publisher.push(3, 3).random(rng, 24).random(rng, 24).push(0, 6);
        text = format!("{text}.{}", publisher.base64());
    }
    (
        Statement { flashtalking_refused: !has_vendor || restricted, ..Statement::new(marketing, analytics) },
        text,
    )
}

/// Writes which vendors are granted, with Flashtalking or without.
fn vendors(rng: &mut Rng, bits: &mut Bits, with: bool) {
    let highest = if with { rng.u64(FLASHTALKING..200) } else { rng.u64(..200) };
    let listed: Vec<u64> = (1..=highest)
        .filter(|id| if *id == FLASHTALKING { with } else { id % 16 < 9 || chance(rng, 5) })
        .collect();
    // The highest vendor is one that is listed.
    let highest = listed.last().copied().unwrap_or_default();
    let is_range = rng.bool();
    bits.push(highest, 16).push(is_range.into(), 1);
    if is_range {
        ranges(bits, &listed);
    } else {
        (1..=highest).for_each(|id| _ = bits.push(listed.contains(&id).into(), 1));
    }
}

fn ranges(bits: &mut Bits, listed: &[u64]) {
    let runs: Vec<&[u64]> = listed.chunk_by(|one, next| one + 1 == *next).collect();
    bits.push(runs.len() as u64, 12);
    for run in runs {
        match *run {
            [only] => bits.push(0, 1).push(only, 16),
            [first, .., last] => bits.push(1, 1).push(first, 16).push(last, 16),
            [] => continue,
        };
    }
}

/// Writes the publisher's restrictions. True: one of them keeps Flashtalking from a purpose of marketing.
fn restrictions(rng: &mut Rng, bits: &mut Bits) -> bool {
    let count = if chance(rng, 70) { 0 } else { rng.u64(1..4) };
    bits.push(count, 12);
    let mut restricted = false;
    for _ in 0..count {
        let (purpose, kind, of_vendor) = (rng.u64(1..=10), rng.u64(..3), rng.bool());
        bits.push(purpose, 6).push(kind, 2);
        let listed: Vec<u64> =
            (60..90).filter(|id| if *id == FLASHTALKING { of_vendor } else { id % 5 < 3 }).collect();
        ranges(bits, &listed);
        restricted |= of_vendor && kind != 1 && MARKETING.contains(&purpose);
    }
    restricted
}

/// A US Privacy string, and what it states.
pub fn us_privacy(rng: &mut Rng) -> (Statement, String) {
    if chance(rng, 4) {
        let garbage = pick(rng, &["", "1YN", "2YNN", "unreadable", "1YNNN", "true"]);
        return (Statement::unreadable(), garbage.to_owned());
    }
    let opted_out = chance(rng, 15);
    let letter = |rng: &mut Rng| pick(rng, &['Y', 'N', '-']);
    let sale = if opted_out { 'Y' } else { pick(rng, &['N', '-']) };
    let text = format!("1{}{sale}{}", letter(rng), letter(rng));
    (Statement { sale_opt_out: opted_out, ..Statement::not_asked() }, text)
}

/// A section of the United States: id, bits before the opt-outs, number of opt-outs, bits behind them, and whether it may have
/// Global Privacy Control. From the specifications in the IAB's repository.
const US_SECTIONS: [(u64, u32, u32, u32, bool); 6] = [
    (7, 18, 3, 36, true),
    (8, 12, 2, 30, true),
    (9, 12, 2, 24, false),
    (10, 12, 2, 22, true),
    (11, 14, 2, 24, false),
    (12, 12, 2, 28, true),
];

/// A GPP string, and what it states.
pub fn gpp(rng: &mut Rng) -> (Statement, String) {
    if chance(rng, 3) {
        let garbage = pick(rng, &["unreadable", "", "DB", "DBABLA", "~", "DBABLA~", "DBABLA~A~A", "%%%"]);
        return (Statement::unreadable(), garbage.to_owned());
    }
    let mut statement = Statement::not_asked();
    let mut sections = Vec::new();
    if chance(rng, 60) {
        let (tcf, text) = tcf(rng);
        // An empty or broken header of sections is another matter.
        if !text.contains('~') {
            statement = statement.and(tcf);
            sections.push((2, text));
        }
    }
    if chance(rng, 10) {
        sections.push((5, "CPXxGkAPXxGkAEFAA".to_owned()));
    }
    if chance(rng, 20) {
        let (us_privacy, text) = us_privacy(rng);
        statement = statement.and(us_privacy);
        sections.push((6, text));
    }
    for (id, before, opt_outs, behind, may_have_gpc) in US_SECTIONS {
        if chance(rng, 12) {
            let mut bits = Bits::default();
            let mut section = Statement::not_asked();
            bits.push(1, 6).random(rng, before - 6);
            for _ in 0..opt_outs {
                let opted_out = chance(rng, 8);
                section.sale_opt_out |= opted_out;
                bits.push(if opted_out { 1 } else { pick(rng, &[0, 2]) }, 2);
            }
            bits.random(rng, behind);
            let mut text = bits.base64();
            if may_have_gpc && chance(rng, 30) {
                let gpc = chance(rng, 30);
                section.gpc |= gpc;
                text = format!("{text}.{}", Bits::default().push(1, 2).push(gpc.into(), 1).base64());
            }
            if chance(rng, 3) {
                text.truncate(2);
                section = Statement::unreadable();
            }
            statement = statement.and(section);
            sections.push((id, text));
        }
    }
    let header = header(&sections.iter().map(|(id, _)| *id).collect::<Vec<u64>>());
    let text = sections.iter().fold(header, |text, (_, section)| format!("{text}~{section}"));
    (statement, text)
}

/// The header of a GPP string with these sections, whose ids ascend.
fn header(ids: &[u64]) -> String {
    let mut bits = Bits::default();
    let runs: Vec<&[u64]> = ids.chunk_by(|one, next| one + 1 == *next).collect();
    bits.push(3, 6).push(1, 6).push(runs.len() as u64, 12);
    let mut last = 0;
    for run in runs {
        let [first, .., end] = *run else {
            bits.push(0, 1).fibonacci(run[0] - last);
            last = run[0];
            continue;
        };
        bits.push(1, 1).fibonacci(first - last);
        bits.fibonacci(end - first);
        last = end;
    }
    bits.base64()
}

#[test]
fn the_writer_of_gpp_headers_writes_those_of_the_specification() {
    // Examples of the IAB: sections 2 and 6, section 7, and none. What follows is padding.
    for (ids, expected) in [(&[2, 6][..], "DBACNY"), (&[7], "DBABLA"), (&[], "DBAA")] {
        let header = header(ids);
        assert!(header.starts_with(expected) && header.len() <= expected.len() + 1, "{ids:?}: {header}");
    }
}
