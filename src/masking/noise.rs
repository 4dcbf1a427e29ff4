//! Normally distributed noise, which depends on a secret, the field and the row's key alone.

use std::f64::consts::TAU;

use super::MaskKey;

/// The noise of one value or vector.
pub(super) struct Noise {
    state: u64,
    sigma: f64,
    /// Box and Muller make two at a time.
    spare: Option<f64>,
}

impl Noise {
    /// The noise of a field in the row with this key.
    pub fn of(secret: &MaskKey, field: &str, key: &[u8], sigma: f64) -> Noise {
        Noise {
            state: secret.number("noise", &[field.as_bytes(), key]),
            sigma,
            spare: None,
        }
    }

    /// The value with noise: never infinite, which servers refuse.
    pub fn on(&mut self, value: f64, greatest: f64) -> f64 {
        (value + self.sigma * self.normal()).clamp(-greatest, greatest)
    }

    fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        let radius = (-2.0 * self.uniform().ln()).sqrt();
        let angle = TAU * self.uniform();
        self.spare = Some(radius * angle.sin());
        radius * angle.cos()
    }

    /// Greater than 0, at most 1.
    fn uniform(&mut self) -> f64 {
        (self.next() >> 11).wrapping_add(1) as f64 / (1u64 << 53) as f64
    }

    /// SplitMix64.
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_normal_and_the_same_each_time() {
        let secret = MaskKey::new(&[7; 16]).unwrap();
        let draw = |key: &[u8]| -> Vec<f64> {
            let mut noise = Noise::of(&secret, "vector", key, 0.5);
            (0..20_000).map(|_| noise.on(1.0, f64::MAX)).collect()
        };
        let values = draw(b"a");
        assert_eq!(values, draw(b"a"));
        assert_ne!(values, draw(b"b"));
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let deviation = (values
            .iter()
            .map(|value| (value - mean).powi(2))
            .sum::<f64>()
            / count)
            .sqrt();
        assert!((mean - 1.0).abs() < 0.02, "{mean}");
        assert!((deviation - 0.5).abs() < 0.02, "{deviation}");
        let within = values
            .iter()
            .filter(|value| (**value - 1.0).abs() < 0.5)
            .count();
        assert!((0.66..0.70).contains(&(within as f64 / count)), "{within}");
    }

    #[test]
    fn noise_is_never_infinite() {
        let secret = MaskKey::new(&[7; 16]).unwrap();
        let mut noise = Noise::of(&secret, "v", b"", f64::MAX);
        for _ in 0..100 {
            assert!(
                noise.on(f64::from(f32::MAX), f64::from(f32::MAX)).abs() <= f64::from(f32::MAX)
            );
        }
    }
}
