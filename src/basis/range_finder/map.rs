//! What the range finder asks of a matrix.

/// A linear map from d_in to d_out dimensions, of which only products are needed.
///
/// Sets of vectors are slices, one vector after the other: (n, d) row-major.
pub trait LinearMap: Sync {
    /// Rows of the matrix.
    fn d_out(&self) -> usize;

    /// Columns of the matrix.
    fn d_in(&self) -> usize;

    /// ‖M‖_F; not finite where a number of the matrix is not.
    fn norm(&self) -> f64;

    /// What rounding to the stored type can have made of a singular value: the norm ν of a random matrix of the size of that
    /// rounding. 0 where it is not known.
    fn noise(&self) -> f64 {
        0.0
    }

    /// M·x in f64 for each of some vectors of d_in numbers.
    fn times(&self, x: &[f64]) -> Vec<f64>;

    /// Mᵀ·y in f64 for each of some vectors of d_out numbers.
    fn transposed_times(&self, y: &[f64]) -> Vec<f64>;

    /// M·x in f32, which is all that the search needs; the result is measured in f64.
    fn times_f32(&self, x: &[f32]) -> Vec<f32> {
        narrow(&self.times(&widen(x)))
    }

    /// Mᵀ·y in f32.
    fn transposed_times_f32(&self, y: &[f32]) -> Vec<f32> {
        narrow(&self.transposed_times(&widen(y)))
    }
}

pub(super) fn widen(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value)).collect()
}

pub(super) fn narrow(values: &[f64]) -> Vec<f32> {
    values.iter().map(|&value| value as f32).collect()
}

/// A map over a power of two near its norm, so that neither f32 nor a square leaves its range. The power multiplies the
/// vectors, so the matrix is not copied and no digit changes.
pub(super) struct Unit<'a> {
    map: &'a dyn LinearMap,
    /// The power of two that was taken out.
    pub(super) unit: f64,
    inverse: f64,
}

impl<'a> Unit<'a> {
    /// For a map with a norm that is finite and not 0.
    pub(super) fn new(map: &'a dyn LinearMap, norm: f64) -> Self {
        // Numbers of unit vectors times the inverse are still normal f32.
        let exponent = norm.log2().floor().clamp(-100.0, 100.0);
        Self { map, unit: exponent.exp2(), inverse: (-exponent).exp2() }
    }

    pub(super) fn d_out(&self) -> usize {
        self.map.d_out()
    }

    pub(super) fn d_in(&self) -> usize {
        self.map.d_in()
    }

    pub(super) fn times(&self, x: &[f64]) -> Vec<f64> {
        self.map.times(&self.scaled(x))
    }

    pub(super) fn transposed_times(&self, y: &[f64]) -> Vec<f64> {
        self.map.transposed_times(&self.scaled(y))
    }

    pub(super) fn times_f32(&self, x: &[f32]) -> Vec<f32> {
        self.map.times_f32(&self.scaled_f32(x))
    }

    pub(super) fn transposed_times_f32(&self, y: &[f32]) -> Vec<f32> {
        self.map.transposed_times_f32(&self.scaled_f32(y))
    }

    fn scaled(&self, x: &[f64]) -> Vec<f64> {
        x.iter().map(|value| value * self.inverse).collect()
    }

    fn scaled_f32(&self, x: &[f32]) -> Vec<f32> {
        x.iter().map(|value| value * self.inverse as f32).collect()
    }
}
