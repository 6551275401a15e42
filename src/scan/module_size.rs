//! How many numbers a scan makes of a module, and the memory that these take.
//!
//! What factorisations take is counted by what each of them holds at once, where that is most; the tests measure it.

mod made;

pub use self::made::svd_work;
use super::side_modules::SideModules;
use crate::adapter::{Dtype, Factor, Module, Side};
use crate::basis::COLUMNS;

/// What a module takes, or the most of several.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ModuleSize {
    /// Numbers of the basis.
    pub basis: u64,
    /// Numbers of the factorised update, where it is compared too.
    pub update: u64,
    /// Bytes that its factorisation takes at most, or A of a pair where that is more.
    pub factor_bytes: u64,
    /// Bytes that the updates of two adapters take when their files are compared again, where they are.
    pub relation_bytes: u64,
}

impl ModuleSize {
    /// What a scan makes of a module.
    pub fn of(module: &Module, of: &SideModules) -> Self {
        let size = Size::of(module);
        let starts = 16 * size.a;
        let factorise = match of.update {
            true => size.basis(of.side).max(size.update(of.side)),
            false => size.basis(of.side),
        };
        // Files are compared by their updates, whatever the side is of.
        let made_again = module.a.made.as_ref().map_or(0, |made| 2 * made::bytes(&made.update));
        Self {
            basis: clamped(size.of_side(of.side)),
            update: if of.update { clamped(size.joined) } else { 0 },
            factor_bytes: clamped(with_gaps(
                factorise.max(starts).max(of.made(module).map_or(0, made::bytes)),
            )),
            relation_bytes: if of.update { clamped(size.relation().max(made_again)) } else { 0 },
        }
    }

    /// The larger of each.
    pub fn max(self, other: Self) -> Self {
        Self {
            basis: self.basis.max(other.basis),
            update: self.update.max(other.update),
            factor_bytes: self.factor_bytes.max(other.factor_bytes),
            relation_bytes: self.relation_bytes.max(other.relation_bytes),
        }
    }
}

/// Numbers of a module's factors; a header may claim more than 64 bits count.
struct Size {
    a: u128,
    b: u128,
    /// Of the rows of the factorised update.
    joined: u128,
    /// Of the triangles of QR, for A and for B.
    triangle_a: u128,
    triangle_b: u128,
    /// Of a Gram matrix.
    square: u128,
    /// Bytes for each number that is copied in other units, since its squares could vanish or overflow.
    copied: u128,
}

impl Size {
    fn of(module: &Module) -> Self {
        let (r, d_in, d_out) = (module.rank(), module.d_in(), module.d_out());
        let numbers = |rows: usize, cols: usize| (rows as u128 * cols as u128).min(1 << 96);
        let copied = if [&module.a, &module.b].into_iter().any(may_be_extreme) { 8 } else { 0 };
        Self {
            a: numbers(r, d_in),
            b: numbers(d_out, r),
            joined: numbers(r, d_in.saturating_add(d_out.next_multiple_of(COLUMNS))),
            triangle_a: numbers(r, r.min(d_in)),
            triangle_b: numbers(r, r.min(d_out)),
            square: numbers(r, r),
            copied,
        }
    }

    fn of_side(&self, side: Side) -> u128 {
        match side {
            Side::A | Side::DwRight => self.a,
            Side::B | Side::DwLeft => self.b,
        }
    }

    /// Bytes while the basis of a side is made by QR; through the Gram matrix it takes half as much.
    fn basis(&self, side: Side) -> u128 {
        let &Self { a, b, copied, .. } = self;
        match side {
            // As it was read; of QR its reflections and the matrix that it began with, or the vectors that it makes.
            Side::A => (8 + 16 + copied) * a + 90 * self.triangle_a,
            // A for its start, and B's transpose.
            Side::B => 8 * a + (8 + 8 + 16 + copied) * b + 90 * self.triangle_b,
            Side::DwRight | Side::DwLeft => {
                // Both as they were read, and the reflections of both while the vectors are made, or while the second matrix begins.
                let vectors = 16 * (a + b) + 12 * self.of_side(side);
                let reflections = (16 + copied) * a + (24 + copied) * b;
                vectors.max(reflections) + 120 * self.triangle_a.max(self.triangle_b)
            }
        }
    }

    /// Bytes while the update is factorised, when there is a basis of the side.
    fn update(&self, side: Side) -> u128 {
        let &Self { a, b, joined, copied, .. } = self;
        let before = 8 * (a + b) + 4 * self.of_side(side);
        // B's transpose, both factors in f32, and these joined.
        before + copied * (a + b) + 8 * b + 4 * (a + b) + 4 * joined + 100 * self.square
    }

    /// Bytes while two updates of this size are compared.
    fn relation(&self) -> u128 {
        let &Self { a, b, copied, .. } = self;
        2 * (8 + copied) * (a + b) + 8 * b + 40 * self.square
    }
}

/// Whether the numbers of a factor may be so large or so small that their squares are not safe.
fn may_be_extreme(factor: &Factor) -> bool {
    let is_scaled =
        factor.row_axis.scale.is_some() || factor.col_axis.scale.is_some() || factor.made.is_some();
    // The others have a few bits of exponent.
    is_scaled || matches!(factor.dtype, Dtype::F64 | Dtype::F32 | Dtype::Bf16 | Dtype::Quantised(_))
}

/// With what an allocator leaves between blocks that are not so large that each is the system's.
fn with_gaps(bytes: u128) -> u128 {
    bytes + bytes / 16 + (bytes / 4).min(8 << 20)
}

fn clamped(n: u128) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}
