//! `shaders/fma_rate.wgsl`: how many multiply-adds a GPU makes.

use bytemuck::{Pod, Zeroable};

use super::{Binding, Kernel, sources};

/// The kernel.
pub const KERNEL: Kernel = Kernel {
    name: "fma_rate",
    source: sources::FMA_RATE,
    bindings: &[Binding::Uniform, Binding::ReadWrite],
    overrides: &[("LANES", LANES as f64)],
};

/// Invocations a workgroup.
pub const LANES: u32 = 256;

/// Numbers of an invocation.
const N_NUMBERS: u32 = 32;

/// Multiply-adds of a number in one step.
const UNROLL: u32 = 4;

/// The kernel's uniforms.
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct Params {
    /// Steps of 4 multiply-adds.
    pub n_steps: u32,
    /// What each number is multiplied with.
    pub factor: f32,
    /// What is added to it.
    pub addend: f32,
}

impl Params {
    /// Both 1, so that results are whole numbers; at most 1024 steps, which f32 holds exactly.
    pub fn exact(n_steps: u32) -> Self {
        Self { n_steps: n_steps.min(1024), factor: 1.0, addend: 1.0 }
    }

    /// Operations of these workgroups: a multiply-add counts two.
    pub fn flop(&self, n_workgroups: u32) -> f64 {
        let a_number = 2.0 * f64::from(UNROLL * self.n_steps);
        a_number * f64::from(N_NUMBERS) * f64::from(LANES) * f64::from(n_workgroups)
    }
}

/// The kernel's work in plain loops: the result of the invocation at `place` of its workgroup.
pub fn fma_rate(params: &Params, place: u32) -> f32 {
    let number = |k: u32| {
        let start = f64::from(place + k);
        let times = UNROLL * params.n_steps;
        (0..times).fold(start, |x, _| x * f64::from(params.factor) + f64::from(params.addend))
    };
    (0..N_NUMBERS).map(number).sum::<f64>() as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_whole_numbers_that_f32_holds() {
        let params = Params::exact(u32::MAX);
        assert_eq!(params.n_steps, 1024);
        for place in [0, 1, 255] {
            let exact = (0..32).map(|k| f64::from(place + k + 4 * 1024)).sum::<f64>();
            assert_eq!(f64::from(fma_rate(&params, place)), exact);
        }
        assert!(fma_rate(&params, LANES - 1) < 2f32.powi(24));
    }

    #[test]
    fn counts_two_for_a_multiply_add() {
        assert_eq!(Params::exact(10).flop(3), 2.0 * 40.0 * 32.0 * 256.0 * 3.0);
    }
}
