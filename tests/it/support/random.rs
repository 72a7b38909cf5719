//! Numbers that look random.

/// A small generator; its seed is printed, so that a run can be repeated with `KILL_SEED`.
pub struct Random(u64);

impl Random {
    pub fn new() -> Self {
        let given = std::env::var_os("KILL_SEED").map(|seed| seed.to_str().unwrap().parse().unwrap());
        let seed = given.unwrap_or_else(|| u64::from(std::process::id()) * 2_654_435_761 + 1);
        println!("KILL_SEED={seed}");
        Self(seed)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}
