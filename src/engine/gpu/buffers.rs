//! Bytes to the GPU and back.

use std::sync::mpsc;
use std::time::Duration;

use wgpu::{
    Buffer, BufferDescriptor, BufferUsages, BufferView, CommandEncoder, MapMode, PollType, SubmissionIndex,
};

use super::checks::SignedRows;
use super::device::Device;
use super::grids::batch::Stack;
use crate::error::{Error, Result};

/// How long an answer may take that is on its way already.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// Results on their way back.
pub(super) struct Download {
    staging: Buffer,
    submission: SubmissionIndex,
}

/// Bytes of `n` words of 32 bits.
pub(super) fn n_bytes(n: usize) -> u64 {
    4 * n as u64
}

impl Device {
    /// A read-only storage buffer with these bytes.
    pub(super) fn upload(&self, label: &str, bytes: &[u8]) -> Buffer {
        let buffer = self.buffer(label, bytes.len() as u64, BufferUsages::STORAGE | BufferUsages::COPY_DST);
        self.queue().write_buffer(&buffer, 0, bytes);
        buffer
    }

    /// A uniform buffer with these bytes.
    pub(super) fn upload_uniform(&self, label: &str, bytes: &[u8]) -> Buffer {
        let buffer = self.buffer(label, bytes.len() as u64, BufferUsages::UNIFORM | BufferUsages::COPY_DST);
        self.queue().write_buffer(&buffer, 0, bytes);
        buffer
    }

    /// A read-only storage buffer with these bases, one after another, and what each is checked by.
    pub(super) fn upload_stack(&self, label: &str, stack: &Stack<'_>) -> (Buffer, Vec<SignedRows>) {
        let usage = BufferUsages::STORAGE | BufferUsages::COPY_DST;
        let buffer = self.buffer(label, n_bytes(stack.n_words()), usage);
        let (mut offset, mut signed) = (0, vec![]);
        for (words, rows) in stack.parts() {
            self.queue().write_buffer(&buffer, offset, &self.rows_to_send(bytemuck::cast_slice(&words)));
            offset += n_bytes(words.len());
            signed.push(rows);
        }
        (buffer, signed)
    }

    /// A storage buffer for a kernel to write.
    pub(super) fn storage(&self, label: &str, size_bytes: u64) -> Buffer {
        self.buffer(label, size_bytes, BufferUsages::STORAGE | BufferUsages::COPY_SRC)
    }

    pub(super) fn buffer(&self, label: &str, size: u64, usage: BufferUsages) -> Buffer {
        self.create_buffer(label, size, usage, false)
    }

    /// A buffer for the host to write at once.
    pub(super) fn mapped_buffer(&self, label: &str, size: u64, usage: BufferUsages) -> Buffer {
        self.create_buffer(label, size, usage, true)
    }

    fn create_buffer(&self, label: &str, size: u64, usage: BufferUsages, mapped_at_creation: bool) -> Buffer {
        let label = Some(label);
        self.device().create_buffer(&BufferDescriptor { label, size, usage, mapped_at_creation })
    }

    /// Ends a batch of commands with a copy of `result` for the host, and submits it.
    pub(super) fn download(&self, mut encoder: CommandEncoder, result: &Buffer) -> Download {
        let usage = BufferUsages::MAP_READ | BufferUsages::COPY_DST;
        let staging = self.buffer("read-back", result.size(), usage);
        encoder.copy_buffer_to_buffer(result, 0, &staging, 0, result.size());
        let submission = self.queue().submit([encoder.finish()]);
        Download { staging, submission }
    }

    /// Waits for a download and hands its bytes to `take`.
    ///
    /// # Errors
    /// `Gpu` when the device failed at any point up to here, and what `take` returns.
    pub(super) fn read(
        &self,
        download: Download,
        take: impl FnOnce(&[u8]) -> Result<()>,
    ) -> Result<(), Error> {
        let Download { staging, submission } = download;
        let view = self.mapped(&staging, staging.size(), submission)?;
        take(&view)
    }

    /// Waits for a submission and maps the first `size` bytes of a buffer that it copied to.
    ///
    /// # Errors
    /// `Gpu` when the device failed at any point up to here.
    pub(super) fn mapped(
        &self,
        buffer: &Buffer,
        size: u64,
        submission: SubmissionIndex,
    ) -> Result<BufferView> {
        // An invalid buffer cannot be mapped.
        self.check()?;
        let (sender, receiver) = mpsc::channel();
        buffer.map_async(MapMode::Read, ..size, move |mapped| {
            // The receiver is gone only when this read gave up: the answer is not needed any more.
            let _ = sender.send(mapped);
        });
        let waited = self.device().poll(PollType::Wait { submission_index: Some(submission), timeout: None });
        self.check()?;
        waited.map_err(|error| self.fault(error.to_string()))?;
        // Another thread that waits for the same device may have taken the answer and be about to hand it on.
        match receiver.recv_timeout(ANSWER_TIMEOUT) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(self.fault(error.to_string())),
            Err(_) => return Err(self.fault("no answer to a read-back".to_owned())),
        }
        buffer.get_mapped_range(..size).map_err(|error| self.fault(error.to_string()))
    }
}
