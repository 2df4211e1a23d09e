//! Breadth-first search of every reachable state, so that what is found first is shortest.

use std::fmt::Display;
use std::hash::{Hash, Hasher};

/// A system of states and steps.
pub(crate) trait System {
    /// Everything there is at one moment.
    type State: Copy + Eq + Hash;
    /// What can happen.
    type Step: Copy + Display;

    /// Where it begins.
    fn initial(&self) -> Self::State;

    /// All that can happen next, and what comes of it.
    fn successors(&self, state: &Self::State, into: &mut Vec<(Self::Step, Self::State)>);

    /// The state that stands for this one and all that differ from it only by names.
    fn canonical(&self, state: Self::State) -> Self::State;

    /// What is wrong with a state, given what can happen next.
    fn fault(&self, state: &Self::State, successors: &[(Self::Step, Self::State)]) -> Option<String>;
}

/// What a search found.
pub(crate) enum Outcome {
    /// Nothing is wrong with any of so many states.
    Holds(usize),
    /// A shortest way to something wrong.
    Breaks {
        /// What happens.
        steps: Vec<String>,
        /// What is wrong then.
        fault: String,
    },
}

/// Searches every state, up to names. Panics beyond `bound` states: a scenario has grown by mistake.
pub(crate) fn search<S: System>(system: &S, bound: usize) -> Outcome {
    let mut seen = Seen::new();
    seen.insert(system.canonical(system.initial()), 0);
    let mut successors = Vec::new();
    let mut at = 0;
    while at < seen.states.len() {
        let state = seen.states[at];
        successors.clear();
        system.successors(&state, &mut successors);
        if let Some(fault) = system.fault(&state, &successors) {
            return Outcome::Breaks { steps: retrace(system, &seen, at), fault };
        }
        for (_, next) in &successors {
            seen.insert(system.canonical(*next), at);
        }
        assert!(seen.states.len() <= bound, "more than {bound} states");
        at += 1;
    }
    Outcome::Holds(seen.states.len())
}

/// The steps to a state, each node under one name all the way.
fn retrace<S: System>(system: &S, seen: &Seen<S::State>, mut at: usize) -> Vec<String> {
    let mut way = Vec::new();
    while at != 0 {
        way.push(seen.states[at]);
        at = seen.parents[at] as usize;
    }
    let mut state = system.initial();
    let mut steps = Vec::new();
    let mut successors = Vec::new();
    for wanted in way.into_iter().rev() {
        successors.clear();
        system.successors(&state, &mut successors);
        let (step, next) = successors
            .iter()
            .copied()
            .find(|(_, next)| system.canonical(*next) == wanted)
            .expect("a state and its twin have the same successors, up to names");
        steps.push(step.to_string());
        state = next;
    }
    steps
}

/// The states seen, in the order of their discovery, each with the one it was reached from.
struct Seen<T> {
    states: Vec<T>,
    parents: Vec<u32>,
    /// Open addressing: an index into `states` + 1, or 0.
    slots: Vec<u32>,
}

impl<T: Copy + Eq + Hash> Seen<T> {
    fn new() -> Self {
        Self { states: Vec::new(), parents: Vec::new(), slots: vec![0; 1 << 16] }
    }

    fn insert(&mut self, state: T, parent: usize) {
        if self.states.len() * 2 > self.slots.len() {
            self.slots = vec![0; self.slots.len() * 4];
            for at in 0..self.states.len() {
                let slot = self.slot(&self.states[at]);
                self.slots[slot] = at as u32 + 1;
            }
        }
        let slot = self.slot(&state);
        if self.slots[slot] == 0 {
            self.states.push(state);
            self.parents.push(parent as u32);
            self.slots[slot] = self.states.len() as u32;
        }
    }

    /// Where the state stands, or would.
    fn slot(&self, state: &T) -> usize {
        let mut hasher = Mix(0);
        state.hash(&mut hasher);
        let mut slot = hasher.finish() as usize & (self.slots.len() - 1);
        while self.slots[slot] != 0 && self.states[self.slots[slot] as usize - 1] != *state {
            slot = (slot + 1) & (self.slots.len() - 1);
        }
        slot
    }
}

/// A quick hash: states are small, and nobody chooses them to collide.
struct Mix(u64);

impl Hasher for Mix {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u8(*byte);
        }
    }

    fn write_u8(&mut self, byte: u8) {
        self.0 = (self.0.rotate_left(5) ^ u64::from(byte)).wrapping_mul(0x517c_c1b7_2722_0a95);
    }

    fn write_isize(&mut self, value: isize) {
        self.write_u8(value as u8);
    }

    fn write_usize(&mut self, value: usize) {
        self.write_u8(value as u8);
    }

    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 29)
    }
}
