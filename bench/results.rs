//! What was measured, and how far it can be believed.

use std::collections::BTreeMap;

use crate::payloads::Payload;
use crate::samples::Place;

/// What a number is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Measure {
    /// Envoy's processor time, in microseconds a request.
    Cpu(Payload),
    /// The part of it that is spent in one place, by perf.
    Spent(Payload, Place),
    /// Latency of the tracked request, in microseconds.
    Median(Payload),
    Percentile99(Payload),
    /// The same while the vendors take two seconds.
    SlowVendors99,
    /// Latency of other requests while large batches arrive.
    Others99,
    /// Requests a second, as many as it takes; which share of its processor Envoy used; deliveries refused, in percent.
    Throughput(Payload),
    Busy(Payload),
    Refused(Payload),
    /// Envoy's processor time under that load, until all is delivered, in microseconds a request.
    CpuFlatOut(Payload),
    /// Milliseconds.
    Start,
    /// Resident, in MB, with this many workers.
    Memory(u32),
}

/// All values, by what and by whose: for each round those of that round, one of each process of the arm.
#[derive(Default)]
pub struct Results {
    values: BTreeMap<(Measure, char), Vec<Vec<f64>>>,
    round: usize,
}

/// A median with what it varied by.
#[derive(Clone, Copy, Debug)]
pub struct Estimate {
    pub median: f64,
    pub least: f64,
    pub most: f64,
    /// As a share: how far the two processes of an arm in the same round usually are from each other.
    pub spread: f64,
}

impl Estimate {
    /// Of a ratio: whether it is closer to 1 than an arm is to itself.
    pub fn is_lost_in_noise(self) -> bool {
        (self.median - 1.0).abs() < self.spread
    }
}

impl Results {
    pub fn begin_round(&mut self, round: usize) {
        self.round = round;
    }

    pub fn add(&mut self, measure: Measure, arm: char, value: f64) {
        let rounds = self.values.entry((measure, arm)).or_default();
        rounds.resize(rounds.len().max(self.round + 1), Vec::new());
        rounds[self.round].push(value);
    }

    fn rounds(&self, measure: Measure, arm: char) -> &[Vec<f64>] {
        self.values.get(&(measure, arm)).map_or(&[], Vec::as_slice)
    }

    pub fn of(&self, measure: Measure, arm: char) -> Option<Estimate> {
        let rounds = self.rounds(measure, arm);
        estimate(rounds.iter().flatten().copied().collect(), self.spread(measure, arm))
    }

    /// The usual distance between an arm and itself, which is that between its processes: the median over the rounds.
    pub fn spread(&self, measure: Measure, arm: char) -> f64 {
        let apart = |values: &Vec<f64>| {
            let (least, most) = range(values)?;
            (values.len() > 1 && least > 0.0).then_some(most / least - 1.0)
        };
        median(self.rounds(measure, arm).iter().filter_map(apart).collect()).unwrap_or(0.0)
    }

    /// Something made of several values of one round, such as a ratio. Each argument is the mean of its round. The spread
    /// is given by the caller, who knows how those of the parts add up.
    pub fn combined(
        &self,
        parts: &[(Measure, char)],
        combine: impl Fn(&[f64]) -> f64,
        spread: f64,
    ) -> Option<Estimate> {
        let of_round = |round: usize| {
            let mean = |(measure, arm): &(Measure, char)| {
                let values = self.rounds(*measure, *arm).get(round).filter(|values| !values.is_empty())?;
                Some(values.iter().sum::<f64>() / values.len() as f64)
            };
            parts.iter().map(mean).collect::<Option<Vec<f64>>>().map(|values| combine(&values))
        };
        estimate((0..=self.round).filter_map(of_round).collect(), spread)
    }

    /// One arm's value over another's, paired within the rounds.
    pub fn ratio(&self, measure: Measure, over: char, under: char) -> Option<Estimate> {
        let spread = self.spread(measure, over).max(self.spread(measure, under));
        self.combined(&[(measure, over), (measure, under)], |values| values[0] / values[1], spread)
    }

    /// The difference of the first two arms over that of the last two, as in (e - a) / (b - a). Small differences of large
    /// values are uncertain: each part's spread counts with its size.
    pub fn ratio_of_differences(
        &self,
        measure: Measure,
        over: (char, char),
        under: (char, char),
    ) -> Option<Estimate> {
        let part = |(more, less)| self.difference(measure, more, less).map_or(0.0, |value| value.spread);
        self.combined(
            &[(measure, over.0), (measure, over.1), (measure, under.0), (measure, under.1)],
            |values| (values[0] - values[1]) / (values[2] - values[3]),
            part(over) + part(under),
        )
    }

    /// By how much the parts of a sum or difference may be off in all: each part's spread counts with its size.
    pub fn doubt(&self, parts: &[(Measure, char)]) -> f64 {
        let size = |(measure, arm): &(Measure, char)| {
            self.of(*measure, *arm).map_or(0.0, |value| value.median.abs() * value.spread)
        };
        parts.iter().map(size).sum()
    }

    /// One arm's value above another's.
    pub fn difference(&self, measure: Measure, more: char, less: char) -> Option<Estimate> {
        self.sum(&[(measure, more), (measure, less)], |values| values[0] - values[1])
    }

    /// A sum or difference.
    pub fn sum(&self, parts: &[(Measure, char)], combine: impl Fn(&[f64]) -> f64) -> Option<Estimate> {
        let value = self.combined(parts, combine, 0.0)?;
        Some(Estimate { spread: self.doubt(parts) / value.median.abs(), ..value })
    }
}

fn estimate(values: Vec<f64>, spread: f64) -> Option<Estimate> {
    let (least, most) = range(&values)?;
    Some(Estimate { median: median(values)?, least, most, spread })
}

fn range(values: &[f64]) -> Option<(f64, f64)> {
    let least = values.iter().copied().min_by(f64::total_cmp)?;
    let most = values.iter().copied().max_by(f64::total_cmp)?;
    Some((least, most))
}

pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    let upper = *values.get(half)?;
    Some(if values.len().is_multiple_of(2) { (values[half - 1] + upper) / 2.0 } else { upper })
}
