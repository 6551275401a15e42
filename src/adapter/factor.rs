//! A factor of a module, as a view of a stored tensor: which numbers of the file it consists of.

use std::borrow::Cow;
use std::fs::File;
use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use crate::adapter::made::{Made, MadeUpdate, Part};
use crate::adapter::{Dtype, Quant};
use crate::files::FileStamp;

/// A stored factor: its original tensor name, its shape as a matrix, and where its numbers are.
///
/// A factor need not be a whole tensor: it can be transposed, some of the rows, or have rows that another tensor scales.
#[derive(Debug, Clone)]
pub struct Factor {
    /// The tensor's name in the file.
    pub name: String,
    /// Rows: the rank for A, d_out for B.
    pub rows: usize,
    /// Columns: d_in for A, the rank for B.
    pub cols: usize,
    /// The stored type of a number.
    pub dtype: Dtype,
    pub(crate) source: Source,
    /// Where the tensor's first number is, from the start of the source.
    pub(crate) offset_bytes: u64,
    pub(crate) row_axis: Axis,
    pub(crate) col_axis: Axis,
    /// For a factor that is not stored: what the tensor's numbers are made of.
    pub(crate) made: Option<Made>,
}

impl Factor {
    /// The file that holds the numbers.
    pub fn path(&self) -> &Path {
        self.source.path()
    }

    /// A and B of an update that is made of stored matrices. `None` if its size is not known, or if nothing is stored.
    pub(crate) fn of_made(update: MadeUpdate) -> Option<[Self; 2]> {
        let [d_out, d_in] = update.form.shape()?;
        let (rank, dtype) = (update.n_kept, update.form.dtype()?);
        let first = update.form.factors().next()?.clone();
        let update = Arc::new(update);
        let of = |part, rows: usize, cols: usize| {
            Some(Self {
                rows,
                cols,
                dtype,
                offset_bytes: 0,
                row_axis: Axis::new([(rows as u64, cols as u64)])?,
                col_axis: Axis::new([(cols as u64, 1)])?,
                made: Some(Made { update: Arc::clone(&update), part }),
                ..first.clone()
            })
        };
        Some([of(Part::A, rank, d_in)?, of(Part::B, d_out, rank)?])
    }

    /// The view's first and last number, counted from the tensor's first: reading the view takes all between them. `None`
    /// for a view without numbers.
    pub(crate) fn span(&self) -> Option<RangeInclusive<u64>> {
        let (rows, cols) = (self.row_axis.ends()?, self.col_axis.ends()?);
        Some(rows.0 + cols.0..=rows.1 + cols.1)
    }

    /// Whether both are the same numbers of the same file, which are not scaled.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let is_plain = |factor: &Self| {
            factor.made.is_none() && factor.row_axis.scale.is_none() && factor.col_axis.scale.is_none()
        };
        let axis = |axis: &Axis| (axis.dims.clone(), axis.range.clone());
        is_plain(self)
            && is_plain(other)
            && self.source.is(&other.source)
            && (self.offset_bytes, self.dtype) == (other.offset_bytes, other.dtype)
            && axis(&self.row_axis) == axis(&other.row_axis)
            && axis(&self.col_axis) == axis(&other.col_axis)
    }

    /// Whether the view is all of its span, row by row.
    pub(crate) fn is_dense(&self) -> bool {
        self.col_axis.is_every(1) && self.row_axis.is_every(self.cols as u64)
    }

    /// The view with rows and columns exchanged.
    pub(crate) fn transposed(self) -> Self {
        let Self { rows, cols, row_axis, col_axis, .. } = self;
        Self { rows: cols, cols: rows, row_axis: col_axis, col_axis: row_axis, ..self }
    }

    /// Only these rows of the view.
    pub(crate) fn row_range(mut self, rows: Range<usize>) -> Self {
        self.row_axis = self.row_axis.cut(rows);
        self.rows = self.row_axis.len();
        self
    }

    /// Every n-th row, from `first` on: those of one of n experts. `None` if the rows are not a plain dimension of the
    /// tensor, or not a multiple of n.
    pub(crate) fn every(mut self, n: usize, first: usize) -> Option<Self> {
        let Axis { dims, range, scale } = &self.row_axis;
        let &[(len, stride)] = dims.as_slice() else { return None };
        if *range != (0..len) || scale.is_some() || n == 0 || !len.is_multiple_of(n) || first >= n {
            return None;
        }
        self.offset_bytes += first as u64 * stride * self.dtype.size_bytes() as u64;
        self.rows = len / n;
        let dims = vec![(self.rows, stride * n as u64)];
        self.row_axis = Axis { dims, range: 0..self.rows, scale: None };
        Some(self)
    }

    /// Of a weight with this many heads: the view with the rows of each head in the order of both halves of a head, where
    /// the tensor has a row of one half and of the other in turn. `None` if the rows are not a plain dimension of the tensor, or
    /// not two halves for each head.
    pub(crate) fn in_halves(mut self, n_heads: usize) -> Option<Self> {
        let Axis { dims, range, scale } = &self.row_axis;
        let &[(len, stride)] = dims.as_slice() else { return None };
        let rows = n_heads.checked_mul(2).filter(|&rows| rows > 0 && len.is_multiple_of(rows))?;
        if *range != (0..len) || scale.is_some() {
            return None;
        }
        let half = (len / rows) as u64;
        let head = stride.checked_mul(2 * half)?;
        self.row_axis = Axis::new([(n_heads as u64, head), (2, stride), (half, stride.checked_mul(2)?)])?;
        Some(self)
    }

    /// The view with row i multiplied by number i of `scale`, (rows, 1). `None` if `scale` has another shape.
    pub(crate) fn scaled_by(mut self, scale: Self) -> Option<Self> {
        let fits = (scale.rows, scale.cols) == (self.rows, 1) && self.row_axis.scale.is_none();
        self.row_axis.scale = Some(Box::new(scale));
        fits.then_some(self)
    }
}

/// The rows or the columns of a view: one dimension of the tensor, or several that are flattened into one.
#[derive(Debug, Clone)]
pub(crate) struct Axis {
    /// Length and stride in numbers, the outermost dimension first.
    dims: Vec<(usize, u64)>,
    /// The flattened positions that belong to the view.
    range: Range<usize>,
    /// The number that each of these positions is multiplied by: (length, 1).
    pub(crate) scale: Option<Box<Factor>>,
}

impl Axis {
    /// All positions of these dimensions, given as length and stride in numbers. `None` if there are more than this machine
    /// can address, or the last one is further away than that.
    pub(crate) fn new(dims: impl IntoIterator<Item = (u64, u64)>) -> Option<Self> {
        let mut merged: Vec<(usize, u64)> = Vec::new();
        let (mut len, mut last) = (1usize, 0u64);
        for (n, stride) in dims {
            let n_here = usize::try_from(n).ok()?;
            len = len.checked_mul(n_here)?;
            last = last.checked_add(n.saturating_sub(1).checked_mul(stride)?)?;
            match merged.last_mut() {
                // Dimensions that follow each other without a gap are one longer dimension.
                Some((outer, outer_stride)) if n.checked_mul(stride) == Some(*outer_stride) => {
                    (*outer, *outer_stride) = (outer.checked_mul(n_here)?, stride);
                }
                _ => merged.push((n_here, stride)),
            }
        }
        Some(Self { dims: merged, range: 0..len, scale: None })
    }

    pub(crate) fn len(&self) -> usize {
        self.range.len()
    }

    /// Where the positions are, in numbers from the tensor's first.
    pub(crate) fn offsets(&self) -> impl Iterator<Item = u64> + Clone {
        self.range.clone().map(|at| self.offset(at))
    }

    /// The smallest and the largest offset; `None` for an axis without positions.
    fn ends(&self) -> Option<(u64, u64)> {
        if self.range.is_empty() {
            return None;
        }
        if let &[(_, stride)] = self.dims.as_slice() {
            return Some((self.range.start as u64 * stride, (self.range.end - 1) as u64 * stride));
        }
        Some((self.offsets().min()?, self.offsets().max()?))
    }

    /// Whether each position is `stride` numbers after the one before it.
    fn is_every(&self, stride: u64) -> bool {
        match self.dims.as_slice() {
            [(_, every)] => *every == stride || self.len() <= 1,
            _ => self.offsets().zip(self.offsets().skip(1)).all(|(one, next)| next == one + stride),
        }
    }

    /// Its dimensions and its range, as text.
    #[cfg(feature = "scan")]
    pub(crate) fn facts(&self) -> String {
        format!("{:?} {:?}", self.dims, self.range)
    }

    fn offset(&self, mut at: usize) -> u64 {
        // `new` checked that the last of them fits.
        let steps = self.dims.iter().rev().map(|&(n, stride)| {
            let step = (at % n) as u64 * stride;
            at /= n;
            step
        });
        steps.sum()
    }

    fn cut(mut self, range: Range<usize>) -> Self {
        let place = |at: usize| self.range.start + at.min(self.range.len());
        self.range = place(range.start)..place(range.end);
        self.scale = self.scale.map(|scale| Box::new(scale.row_range(range)));
        self
    }
}

/// Where the bytes of a checkpoint are.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    File(Arc<StoredFile>),
    /// A label for messages, and the bytes.
    Memory(Arc<Path>, Arc<Cow<'static, [u8]>>),
    /// A member of an archive in one of these two.
    Member(Arc<Member>),
    /// The numbers of a quantised part of one of the first two, as F32.
    Quantised(Arc<Quantised>),
}

impl Source {
    /// The file, or the label.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::File(file) => &file.path,
            Self::Memory(label, _) => label,
            Self::Member(member) => member.file.path(),
            Self::Quantised(part) => part.file.path(),
        }
    }

    /// Whether both are the same file or memory (pointer equality).
    pub(crate) fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::File(one), Self::File(other)) => Arc::ptr_eq(one, other),
            (Self::Memory(_, one), Self::Memory(_, other)) => Arc::ptr_eq(one, other),
            (Self::Member(one), Self::Member(other)) => Arc::ptr_eq(one, other),
            (Self::Quantised(one), Self::Quantised(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }

    /// The whole file that contains this.
    pub(crate) fn whole(&self) -> &Self {
        match self {
            Self::File(..) | Self::Memory(..) => self,
            Self::Member(member) => member.file.whole(),
            Self::Quantised(part) => part.file.whole(),
        }
    }

    /// The compressed member that this is.
    pub(crate) fn deflated(&self) -> Option<&Arc<Member>> {
        match self {
            Self::Member(member) if member.is_deflated => Some(member),
            _ => None,
        }
    }
}

/// A checkpoint's file.
#[derive(Debug)]
pub(crate) struct StoredFile {
    pub(crate) path: PathBuf,
    /// When its header was read.
    pub(crate) stamp: FileStamp,
    /// The handle of a file that is held open, see `Adapter::hold_open`. Others are opened for each read, so that thousands
    /// of adapters do not take thousands of descriptors.
    pub(crate) held: OnceLock<Arc<File>>,
}

/// A member of an archive, as it is or compressed by deflate.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) file: Source,
    /// Where its bytes are in the file.
    pub(crate) offset_bytes: u64,
    /// Their number in the file.
    pub(crate) n_stored: u64,
    /// Their number after unpacking.
    pub(crate) n_bytes: u64,
    pub(crate) is_deflated: bool,
    /// The checksum of all of them; `None` if the archive has none.
    pub(crate) crc32: Option<u32>,
    /// Whether they were found to have it.
    pub(crate) is_checked: AtomicBool,
}

/// A quantised tensor, whose numbers become F32 as they are read.
#[derive(Debug)]
pub(crate) struct Quantised {
    pub(crate) file: Source,
    pub(crate) quant: Quant,
    /// Where its first block is in the file.
    pub(crate) offset_bytes: u64,
    pub(crate) n_blocks: u64,
}

impl Quantised {
    /// The bytes of the file that hold the blocks of these bytes of F32.
    pub(crate) fn stored(&self, bytes: Range<u64>) -> Range<u64> {
        let block = |at: u64| at / (4 * self.quant.block_numbers() as u64);
        let end = if bytes.is_empty() { block(bytes.start) } else { block(bytes.end - 1) + 1 };
        let place = |block: u64| self.offset_bytes + block * self.quant.block_bytes() as u64;
        place(block(bytes.start))..place(end)
    }

    /// Size of all numbers as F32.
    pub(crate) fn n_bytes(&self) -> u64 {
        4 * self.n_blocks * self.quant.block_numbers() as u64
    }
}
