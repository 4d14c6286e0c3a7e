//! Seeded chance. The fault of a request follows from the seed, its key and its number alone, so that a run repeats in
//! any order of requests.

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

/// A number that looks random and is the same for the same parts.
pub(crate) fn draw(seed: u64, about: &str, key: &str, number: u64) -> u64 {
    let mut hash = FNV_OFFSET ^ mixed(seed);
    for byte in about.bytes().chain([0]).chain(key.bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(FNV_PRIME);
    }
    mixed(hash ^ mixed(number))
}

/// The entry that `drawn` falls on, each as likely as its weight; none when all weigh nothing.
pub(crate) fn weighted<T>(entries: &[(T, u32)], drawn: u64) -> Option<&T> {
    let total: u64 = entries.iter().map(|(_, weight)| u64::from(*weight)).sum();
    let mut left = drawn.checked_rem(total)?;
    for (entry, weight) in entries {
        if left < u64::from(*weight) {
            return Some(entry);
        }
        left -= u64::from(*weight);
    }
    None
}

/// The finisher of splitmix64 (Steele, Lea, Flood 2014): every input bit reaches every output bit.
fn mixed(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_draws_the_same() {
        assert_eq!(draw(1, "life", "K1", 0), draw(1, "life", "K1", 0));
        assert_ne!(draw(1, "life", "K1", 0), draw(2, "life", "K1", 0));
        assert_ne!(draw(1, "life", "K1", 0), draw(1, "life", "K1", 1));
    }

    #[test]
    fn weights_are_met() {
        let entries = [("a", 1), ("b", 3), ("never", 0)];
        let hits = |name| (0..4_000).filter(|n| weighted(&entries, draw(7, "x", "K", *n)) == Some(&name)).count();
        assert!((900..1_100).contains(&hits("a")), "{}", hits("a"));
        assert_eq!(hits("never"), 0);
        assert_eq!(weighted(&[("a", 0)], 5), None);
    }
}
