//! How far a run is, and how long it still takes.

use std::time::Instant;

pub struct Progress {
    begun: Instant,
    rounds: usize,
}

impl Progress {
    /// Of a run that begins now and has so many rounds.
    pub fn of(rounds: usize) -> Self {
        Self { begun: Instant::now(), rounds }
    }

    /// Prints what is done before the first round.
    pub fn say_first(&self, what: &str) {
        println!("[{:>4} s] {what}", self.begun.elapsed().as_secs());
    }

    /// Prints what is done now in this round, the first of which is 0.
    pub fn say(&self, round: usize, what: &str) {
        self.say_first(&format!("round {} of {}: {what}", round + 1, self.rounds));
    }

    /// Prints how long all rounds take, once the first of them is over: they are equally long.
    pub fn end_round(&self, round: usize) {
        let (taken, left) = (self.begun.elapsed(), self.rounds - round - 1);
        if left > 0 {
            let minutes = taken.as_secs_f64() / 60.0 / (round + 1) as f64 * left as f64;
            self.say(round, &format!("over; about {minutes:.0} minutes to go"));
        }
    }
}
