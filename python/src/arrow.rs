//! Columns as an Arrow stream of one batch, by the C interfaces:
//! <https://arrow.apache.org/docs/format/CDataInterface.html> and
//! <https://arrow.apache.org/docs/format/CDataInterface/PyCapsuleInterface.html>.
//!
//! The program that takes a schema or an array owns it and calls its `release` once, from any thread. Arrays read the columns in place, and
//! share them.

#![allow(unsafe_code, reason = "the interface is one of C structs with pointers")]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr;
use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::PyCapsule;

use crate::columns::{Column, Columns};

/// Whether a field may have nulls.
const NULLABLE: i64 = 2;

/// The system has no error text for it, so the stream has none either.
const EINVAL: c_int = 22;

#[repr(C)]
struct ArrowSchema {
    format: *const c_char,
    name: *const c_char,
    metadata: *const c_char,
    flags: i64,
    n_children: i64,
    children: *mut *mut ArrowSchema,
    dictionary: *mut ArrowSchema,
    release: Option<unsafe extern "C" fn(*mut ArrowSchema)>,
    private_data: *mut c_void,
}

#[repr(C)]
struct ArrowArray {
    length: i64,
    null_count: i64,
    offset: i64,
    n_buffers: i64,
    n_children: i64,
    buffers: *mut *const c_void,
    children: *mut *mut ArrowArray,
    dictionary: *mut ArrowArray,
    release: Option<unsafe extern "C" fn(*mut ArrowArray)>,
    private_data: *mut c_void,
}

#[repr(C)]
struct ArrowArrayStream {
    get_schema: Option<unsafe extern "C" fn(*mut ArrowArrayStream, *mut ArrowSchema) -> c_int>,
    get_next: Option<unsafe extern "C" fn(*mut ArrowArrayStream, *mut ArrowArray) -> c_int>,
    get_last_error: Option<unsafe extern "C" fn(*mut ArrowArrayStream) -> *const c_char>,
    release: Option<unsafe extern "C" fn(*mut ArrowArrayStream)>,
    private_data: *mut c_void,
}

// SAFETY: its private data is a `Stream`, which is Send.
unsafe impl Send for ArrowArrayStream {}

/// What a schema owns. The pointers in it are into this.
struct OwnedSchema {
    format: CString,
    name: CString,
    children: Vec<*mut ArrowSchema>,
}

/// What an array owns.
struct OwnedArray {
    /// What the buffers point into.
    _columns: Arc<Columns>,
    buffers: Vec<*const c_void>,
    children: Vec<*mut ArrowArray>,
}

/// A released array, which ends a stream.
const RELEASED: ArrowArray = ArrowArray {
    length: 0,
    null_count: 0,
    offset: 0,
    n_buffers: 0,
    n_children: 0,
    buffers: ptr::null_mut(),
    children: ptr::null_mut(),
    dictionary: ptr::null_mut(),
    release: None,
    private_data: ptr::null_mut(),
};

/// What a stream owns.
struct Stream {
    columns: Arc<Columns>,
    is_done: bool,
}

/// A capsule of columns, each with its name, what it holds (`int`, `float`, `bool`, `str` or `list`) and its values.
#[pyfunction]
pub(crate) fn arrow_stream<'py>(
    py: Python<'py>,
    columns: Vec<(String, String, Bound<'py, PyAny>)>,
) -> PyResult<Bound<'py, PyCapsule>> {
    let stream = Stream { columns: Arc::new(Columns::of(columns)?), is_done: false };
    let stream = ArrowArrayStream {
        get_schema: Some(get_schema),
        get_next: Some(get_next),
        get_last_error: Some(get_last_error),
        release: Some(release_stream),
        private_data: Box::into_raw(Box::new(stream)).cast(),
    };
    PyCapsule::new_with_value_and_destructor(py, stream, c"arrow_array_stream", |mut stream, _| {
        if let Some(release) = stream.release {
            // SAFETY: the stream was not taken, so that it is ours to release.
            unsafe { release(&raw mut stream) };
        }
    })
}

unsafe extern "C" fn get_schema(stream: *mut ArrowArrayStream, out: *mut ArrowSchema) -> c_int {
    // SAFETY: the caller gives a stream that is not released, whose private data is a `Stream`, and a place for a schema.
    let columns = unsafe { &(*(*stream).private_data.cast::<Stream>()).columns };
    let fields = columns.columns.iter().map(|(name, column)| field(name, column));
    let Some(fields) = fields.collect::<Option<Vec<_>>>() else { return EINVAL };
    // SAFETY: as above.
    unsafe { out.write(schema(c"+s", CString::default(), 0, fields)) };
    0
}

unsafe extern "C" fn get_next(stream: *mut ArrowArrayStream, out: *mut ArrowArray) -> c_int {
    // SAFETY: as in `get_schema`; a stream is used by one thread at a time.
    let stream = unsafe { &mut *(*stream).private_data.cast::<Stream>() };
    let next = if stream.is_done {
        RELEASED
    } else {
        stream.is_done = true;
        let columns = &stream.columns;
        let children = columns.columns.iter().map(|(_, column)| values(columns, column)).collect();
        array(columns, columns.n_rows, 0, vec![ptr::null()], children)
    };
    // SAFETY: the caller gives a place for an array.
    unsafe { out.write(next) };
    0
}

unsafe extern "C" fn get_last_error(_: *mut ArrowArrayStream) -> *const c_char {
    ptr::null()
}

unsafe extern "C" fn release_stream(stream: *mut ArrowArrayStream) {
    // SAFETY: the caller gives a stream that is not released, whose private data came from a box.
    unsafe {
        drop(Box::from_raw((*stream).private_data.cast::<Stream>()));
        (*stream).release = None;
    }
}

/// The schema of a column.
fn field(name: &str, column: &Column) -> Option<ArrowSchema> {
    let children = match column {
        Column::List { items, .. } => vec![field("item", items)?],
        _ => vec![],
    };
    Some(schema(column.format(), CString::new(name).ok()?, NULLABLE, children))
}

fn schema(format: &CStr, name: CString, flags: i64, children: Vec<ArrowSchema>) -> ArrowSchema {
    let children = children.into_iter().map(|child| Box::into_raw(Box::new(child))).collect();
    let mut owned = Box::new(OwnedSchema { format: format.to_owned(), name, children });
    ArrowSchema {
        format: owned.format.as_ptr(),
        name: owned.name.as_ptr(),
        metadata: ptr::null(),
        flags,
        n_children: owned.children.len() as i64,
        children: owned.children.as_mut_ptr(),
        dictionary: ptr::null_mut(),
        release: Some(release_schema),
        private_data: Box::into_raw(owned).cast(),
    }
}

unsafe extern "C" fn release_schema(schema: *mut ArrowSchema) {
    // SAFETY: the caller gives a schema that is not released; it and its children came from boxes.
    unsafe {
        let owned = Box::from_raw((*schema).private_data.cast::<OwnedSchema>());
        for &child in &owned.children {
            // A child that was moved out is marked as released.
            if let Some(release) = (*child).release {
                release(child);
            }
            drop(Box::from_raw(child));
        }
        (*schema).release = None;
    }
}

/// A column's array.
fn values(columns: &Arc<Columns>, column: &Column) -> ArrowArray {
    let (valid, n_null) = column.validity();
    let mut buffers = vec![valid.map_or(ptr::null(), |bits| bits.as_ptr().cast())];
    buffers.extend(column.buffers());
    let children = match column {
        Column::List { items, .. } => vec![values(columns, items)],
        _ => vec![],
    };
    array(columns, column.len(), n_null, buffers, children)
}

fn array(
    columns: &Arc<Columns>,
    length: usize,
    n_null: usize,
    buffers: Vec<*const c_void>,
    children: Vec<ArrowArray>,
) -> ArrowArray {
    let children = children.into_iter().map(|child| Box::into_raw(Box::new(child))).collect();
    let mut owned = Box::new(OwnedArray { _columns: Arc::clone(columns), buffers, children });
    ArrowArray {
        length: length as i64,
        null_count: n_null as i64,
        offset: 0,
        n_buffers: owned.buffers.len() as i64,
        n_children: owned.children.len() as i64,
        buffers: owned.buffers.as_mut_ptr(),
        children: owned.children.as_mut_ptr(),
        dictionary: ptr::null_mut(),
        release: Some(release_array),
        private_data: Box::into_raw(owned).cast(),
    }
}

unsafe extern "C" fn release_array(array: *mut ArrowArray) {
    // SAFETY: as in `release_schema`.
    unsafe {
        let owned = Box::from_raw((*array).private_data.cast::<OwnedArray>());
        for &child in &owned.children {
            if let Some(release) = (*child).release {
                release(child);
            }
            drop(Box::from_raw(child));
        }
        (*array).release = None;
    }
}
