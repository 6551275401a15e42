//! Reads A and B of updates that are stored in another form: LoHa, LoKr, Tucker decompositions and whole matrices.
//!
//! An update of low rank keeps all of its directions. Of any other, the singular vectors of the largest singular values are
//! kept: ΔW ≈ U·diag(σ)·Vᵀ with A = diag(√σ)·Vᵀ and B = U·diag(√σ), the best approximation of that rank (Eckart and Young
//! 1936). Large matrices are searched for them by the [range finder](crate::range_finder); so is W′ − W, the difference of a full
//! fine-tune from its base, of which only the directions above the rounding of both weights are kept. The singular values of a
//! Kronecker product are the products of those of its two matrices, and so are the vectors.

use std::sync::atomic::AtomicBool;

use faer::linalg::solvers::Qr;
use faer::{Mat, MatRef};

use crate::adapter::made::{Doubts, Form, Made, MadeUpdate, Part, StoredMatrix};
use crate::adapter::{Dtype, Factor, Matrix, Module};
use crate::basis::range_finder::{Dense, HowMany, RangeFinder};
use crate::basis::{ThinSvd, thin_svd};
use crate::error::{Error, Result};
use crate::formats::full::Weight;
use crate::formats::methods::{self, Found};
use crate::sync::stop;

impl Made {
    /// Of B and A, the one that this is: A is (rank, d_in), B (d_out, rank).
    pub(super) fn of<'a>(&self, [b, a]: &'a [Mat<f64>; 2]) -> &'a Mat<f64> {
        match self.part {
            Part::A => a,
            Part::B => b,
        }
    }
}

impl Module {
    /// s·ΔW as a matrix, (d_out, d_in), of an update whose factors do not hold all of its directions; `None` of any other. `weight`
    /// is the weight that it changes, which need not be read again.
    ///
    /// # Errors
    /// Those of [`Factor::read`] for what is stored.
    pub(crate) fn whole_update(
        &self,
        scaling: f64,
        (weight, numbers): (&Weight, &Matrix),
    ) -> Result<Option<Dense<'static>>> {
        let Some(Made { update, .. }) = &self.a.made else { return Ok(None) };
        match &update.form {
            Form::Difference([StoredMatrix::Whole(after), StoredMatrix::Whole(before)]) if scaling == 1.0 => {
                match weight.is_of(before) {
                    true => super::full::difference_from(after, numbers).map(Some),
                    false => super::full::difference(after, before).map(Some),
                }
            }
            form if matches!(form, Form::Difference(_)) || form.rank() > update.n_kept => {
                let dtype = match form {
                    Form::Plain(StoredMatrix::Whole(matrix)) => matrix.dtype,
                    _ => Dtype::F64,
                };
                dense(&(formed(form)? * faer::Scale(scaling)), dtype).map(Some)
            }
            _ => Ok(None),
        }
    }
}

/// The matrix that an update is.
fn formed(form: &Form) -> Result<Mat<f64>> {
    let of = |matrix: &StoredMatrix| Ok::<_, Error>(Numbers::of(matrix)?.dense());
    match form {
        Form::Plain(matrix) => of(matrix),
        Form::Hadamard([one, other]) => Ok(by_number(&of(one)?, &of(other)?)),
        Form::Kronecker([one, other]) => {
            let (one, other) = (of(one)?, of(other)?);
            let mut whole = Mat::zeros(one.nrows() * other.nrows(), one.ncols() * other.ncols());
            faer::linalg::kron::kron(whole.as_mut(), one.as_ref(), other.as_ref());
            Ok(whole)
        }
        Form::Difference([after, before]) => Ok(of(after)? - of(before)?),
        Form::RowScale { of, scaling } => row_scale(of, *scaling),
        Form::Method(of) => Ok(match methods::numbers(of)? {
            Found::Whole(whole) => whole,
            Found::Product(b, a) => b * a,
            Found::Difference(change) => {
                let number = |i: usize, j: usize| change.values().get(i * of.shape[1] + j).copied();
                Mat::from_fn(of.shape[0], of.shape[1], |i, j| number(i, j).map_or(f64::NAN, f64::from))
            }
        }),
    }
}

/// mᵢ over the norm of row i of W + s·B·A.
fn row_scale([weight, update, magnitudes]: &[StoredMatrix; 3], scaling: f64) -> Result<Mat<f64>> {
    let tuned = Numbers::of(weight)?.dense() + Numbers::of(update)?.dense() * faer::Scale(scaling);
    let magnitudes = Numbers::of(magnitudes)?.dense();
    Ok(Mat::from_fn(tuned.nrows(), 1, |i, _| magnitudes[(i, 0)] / tuned.row(i).norm_l2()))
}

/// The product of two matrices number by number.
fn by_number(one: &Mat<f64>, other: &Mat<f64>) -> Mat<f64> {
    Mat::from_fn(one.nrows(), one.ncols(), |i, j| one[(i, j)] * other[(i, j)])
}

fn row_by_row(matrix: &Mat<f64>) -> Vec<f64> {
    (0..matrix.nrows()).flat_map(|i| (0..matrix.ncols()).map(move |j| matrix[(i, j)])).collect()
}

impl MadeUpdate {
    /// B and A. `stop` is seen between the steps: whole matrices take many seconds each.
    ///
    /// # Errors
    /// Those of [`Factor::read`] for what is stored; `Malformed` when an SVD does not converge; `Stopped` when it was told to stop.
    pub(super) fn factors(&self, stop: &AtomicBool) -> Result<[Mat<f64>; 2]> {
        let numbers = |matrix| stop::check(stop).and_then(|()| Numbers::of(matrix));
        let svd = |numbers: Numbers| stop::check(stop).and_then(|()| numbers.svd());
        match &self.form {
            Form::Plain(matrix) => match numbers(matrix)? {
                Numbers::Product(b, a) if b.ncols() <= self.n_kept => Ok([b, a]),
                Numbers::Whole(whole) => {
                    stop::check(stop)?;
                    self.of_dense(&whole, self.form.dtype().unwrap_or(Dtype::F64))
                }
                numbers => Ok(self.strongest(&svd(numbers)?)),
            },
            Form::Hadamard([one, other]) => {
                let (one, other) = (numbers(one)?, numbers(other)?);
                stop::check(stop)?;
                self.of_hadamard(one, other)
            }
            Form::Kronecker([one, other]) => {
                let (one, other) = (svd(numbers(one)?)?, svd(numbers(other)?)?);
                stop::check(stop)?;
                Ok(self.strongest(&kronecker(&one, &other, self.n_kept)))
            }
            Form::Difference(both) => {
                stop::check(stop)?;
                let difference = match both {
                    [StoredMatrix::Whole(after), StoredMatrix::Whole(before)] => {
                        super::full::difference(after, before)?
                    }
                    [one, other] => dense(&(numbers(one)?.dense() - numbers(other)?.dense()), Dtype::F64)?,
                };
                stop::check(stop)?;
                self.search(&difference)
            }
            Form::RowScale { of, scaling } => {
                stop::check(stop)?;
                Ok([row_scale(of, *scaling)?, Mat::ones(1, 1)])
            }
            Form::Method(of) => {
                stop::check(stop)?;
                match methods::numbers(of)? {
                    Found::Product(b, a) if b.ncols() <= self.n_kept => Ok([b, a]),
                    Found::Product(b, a) => Ok(self.strongest(&svd(Numbers::Product(b, a))?)),
                    Found::Whole(whole) => self.of_dense(&whole, self.form.dtype().unwrap_or(Dtype::F64)),
                    Found::Difference(change) => self.search(&change),
                }
            }
        }
    }

    /// The product number by number of B₁·A₁ and B₂·A₂ is B·A, where the columns of B are the products number by number of each
    /// column of B₁ with each of B₂, and the rows of A those of the rows of A₁ and A₂.
    fn of_hadamard(&self, one: Numbers, other: Numbers) -> Result<[Mat<f64>; 2]> {
        let (Numbers::Product(b_1, a_1), Numbers::Product(b_2, a_2)) = (&one, &other) else {
            return self.of_dense_hadamard(&one.dense(), &other.dense());
        };
        let (n, r_2) = (b_1.ncols() * b_2.ncols(), b_2.ncols());
        if n > b_1.nrows().min(a_1.ncols()) {
            return self.of_dense_hadamard(&one.dense(), &other.dense());
        }
        let b = Mat::from_fn(b_1.nrows(), n, |i, k| b_1[(i, k / r_2)] * b_2[(i, k % r_2)]);
        let a = Mat::from_fn(n, a_1.ncols(), |k, j| a_1[(k / r_2, j)] * a_2[(k % r_2, j)]);
        if n <= self.n_kept { Ok([b, a]) } else { Ok(self.strongest(&svd_of_product(&b, &a)?)) }
    }

    fn of_dense_hadamard(&self, one: &Mat<f64>, other: &Mat<f64>) -> Result<[Mat<f64>; 2]> {
        self.of_dense(&by_number(one, other), Dtype::F64)
    }

    fn of_dense(&self, whole: &Mat<f64>, dtype: Dtype) -> Result<[Mat<f64>; 2]> {
        match self.is_searched() {
            true => self.search(&dense(whole, dtype)?),
            false => Ok(self.strongest(&svd_of(whole.as_ref())?)),
        }
    }

    /// B and A of the largest singular values that are above the rounding of what is stored.
    fn search(&self, matrix: &Dense<'_>) -> Result<[Mat<f64>; 2]> {
        let at_most = self.n_kept;
        let how_many = match self.share {
            Some(share) => HowMany::Energy { share, at_most },
            None => HowMany::AboveNoise { at_most },
        };
        let found = RangeFinder::new(how_many).find(matrix)?;
        let (q, d_out, d_in) = (found.sigma().len() as f64, found.d_out() as f64, found.d_in() as f64);
        // The noise is that of a random matrix, of which the tangent space of the matrices of rank q holds this share.
        let share = (q * (d_out + d_in - q) / (d_out * d_in)).sqrt();
        let rounding = found.noise() / (d_out.sqrt().recip() + d_in.sqrt().recip()) * share;
        self.doubt(Doubts { noise: found.noise(), n_determined: found.n_determined(), rounding });
        let vectors = |rows: &[f32], d: usize| {
            Mat::from_fn(d, found.sigma().len(), |i, k| rows.get(k * d + i).map_or(0.0, |&x| f64::from(x)))
        };
        Ok(self.strongest(&ThinSvd {
            left: vectors(found.left(), found.d_out()),
            sigma: found.sigma().to_vec(),
            right: vectors(found.right(), found.d_in()),
        }))
    }

    /// B and A of the largest singular values, each with their square roots.
    fn strongest(&self, ThinSvd { left, sigma, right }: &ThinSvd) -> [Mat<f64>; 2] {
        let root = |k: usize| sigma.get(k).map(|sigma| sigma.sqrt());
        let b =
            Mat::from_fn(left.nrows(), self.n_kept, |i, k| root(k).map_or(0.0, |root| left[(i, k)] * root));
        let a =
            Mat::from_fn(self.n_kept, right.nrows(), |k, j| root(k).map_or(0.0, |root| right[(j, k)] * root));
        [b, a]
    }
}

/// A stored matrix as it was read.
enum Numbers {
    Whole(Mat<f64>),
    Product(Mat<f64>, Mat<f64>),
}

impl Numbers {
    fn of(matrix: &StoredMatrix) -> Result<Self> {
        match matrix {
            StoredMatrix::Whole(matrix) => Ok(Self::Whole(read(matrix)?)),
            StoredMatrix::Product(left, right) => Ok(Self::Product(read(left)?, read(right)?)),
            StoredMatrix::Tucker { left, core, right } => {
                let (core, right) = (read(core)?, read(right)?);
                let n = core.ncols() / right.nrows();
                // Row p, and number k of column i: the sum over q of core[p, q, k]·right[q, i].
                let cored = Mat::from_fn(core.nrows(), right.ncols() * n, |p, at| {
                    let (i, k) = (at / n, at % n);
                    (0..right.nrows()).map(|q| core[(p, q * n + k)] * right[(q, i)]).sum()
                });
                Ok(Self::Product(read(left)?, cored))
            }
        }
    }

    fn dense(&self) -> Mat<f64> {
        match self {
            Self::Whole(matrix) => matrix.clone(),
            Self::Product(left, right) => left * right,
        }
    }

    fn svd(&self) -> Result<ThinSvd> {
        match self {
            Self::Whole(matrix) => svd_of(matrix.as_ref()),
            Self::Product(left, right) if left.ncols() <= left.nrows().min(right.ncols()) => {
                svd_of_product(left, right)
            }
            Self::Product(left, right) => svd_of((left * right).as_ref()),
        }
    }
}

/// By the QR factors of both, (d_out, n) and (n, d_in) with n ≤ d_out and d_in.
fn svd_of_product(left: &Mat<f64>, right: &Mat<f64>) -> Result<ThinSvd> {
    let (qr_left, qr_right) = (Qr::new(left.as_ref()), Qr::new(right.transpose()));
    let small = svd_of((qr_left.thin_R() * qr_right.thin_R().transpose()).as_ref())?;
    Ok(ThinSvd {
        left: qr_left.compute_thin_Q() * &small.left,
        sigma: small.sigma,
        right: qr_right.compute_thin_Q() * &small.right,
    })
}

fn svd_of(matrix: MatRef<'_, f64>) -> Result<ThinSvd> {
    thin_svd(matrix).map_err(|error| match error {
        // The numbers are the file's.
        Error::Invalid(fault) => Error::Malformed(fault),
        other => other,
    })
}

/// The `n` largest singular values of a Kronecker product, with their vectors.
fn kronecker(one: &ThinSvd, other: &ThinSvd, n: usize) -> ThinSvd {
    let others = || other.sigma.iter().enumerate();
    let pairs = one.sigma.iter().enumerate().flat_map(|(i, x)| others().map(move |(j, y)| (x * y, i, j)));
    let mut pairs: Vec<(f64, usize, usize)> = pairs.collect();
    pairs.sort_by(|x, y| y.0.total_cmp(&x.0));
    pairs.truncate(n);
    let vectors = |one: &Mat<f64>, other: &Mat<f64>| {
        let n_other = other.nrows();
        let mut vectors = Mat::zeros(one.nrows() * n_other, pairs.len());
        for (vector, &(_, i, j)) in vectors.col_iter_mut().zip(&pairs) {
            let products = one.col(i).iter().flat_map(|x| other.col(j).iter().map(move |y| x * y));
            vector.iter_mut().zip(products).for_each(|(to, product)| *to = product);
        }
        vectors
    };
    let (left, right) = (vectors(&one.left, &other.left), vectors(&one.right, &other.right));
    ThinSvd { left, sigma: pairs.iter().map(|pair| pair.0).collect(), right }
}

fn dense(matrix: &Mat<f64>, dtype: Dtype) -> Result<Dense<'static>> {
    let mut dense = Dense::with_columns(matrix.ncols());
    dense.push(&row_by_row(matrix), dtype)?;
    Ok(dense)
}

fn read(factor: &Factor) -> Result<Mat<f64>, Error> {
    let matrix = factor.read()?;
    Ok(MatRef::from_row_major_slice(&matrix.values, matrix.rows, matrix.cols).to_owned())
}
