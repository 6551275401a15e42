//! Mapped buffers that stay: what goes to the GPU with one dispatch.

use wgpu::{Buffer, BufferUsages, CommandEncoder, MapMode, WriteOnly};

use super::super::device::Device;
use crate::error::{Error, Result};

/// Bytes of one mapped buffer, unless a single write needs more.
const PIECE_BYTES: u64 = 8 << 20;

/// Staging memory of one dispatch; it grows while the first dispatches run and then stays.
#[derive(Debug, Default)]
pub(super) struct Upload {
    pieces: Vec<Piece>,
}

#[derive(Debug)]
struct Piece {
    buffer: Buffer,
    used: u64,
}

impl Upload {
    /// Most bytes of one write.
    pub(super) const MOST: usize = PIECE_BYTES as usize;

    /// Fills `size` bytes, a multiple of 4, for `target` from `offset` on, with the commands that copy them there.
    ///
    /// # Errors
    /// `Gpu` when the device does not give the memory.
    pub(super) fn write(
        &mut self,
        device: &Device,
        encoder: &mut CommandEncoder,
        (target, offset): (&Buffer, u64),
        size: u64,
        fill: impl FnOnce(WriteOnly<'_, [u8]>),
    ) -> Result<()> {
        let has_room = |piece: &Piece| piece.used + size <= piece.buffer.size();
        let at = match self.pieces.iter().position(has_room) {
            Some(at) => at,
            None => {
                let usage = BufferUsages::MAP_WRITE | BufferUsages::COPY_SRC;
                let buffer = device.mapped_buffer("upload", size.max(PIECE_BYTES), usage);
                // An invalid buffer must not be mapped: the error is said here.
                device.check()?;
                self.pieces.push(Piece { buffer, used: 0 });
                self.pieces.len() - 1
            }
        };
        let piece = &mut self.pieces[at];
        let begin = piece.used;
        let range = piece.buffer.get_mapped_range_mut(begin..begin + size);
        let mut view = range.map_err(|error| device.fault(error.to_string()))?;
        fill(view.slice(..));
        drop(view);
        encoder.copy_buffer_to_buffer(&piece.buffer, begin, target, offset, size);
        // Ranges are mapped from multiples of 8 bytes on.
        piece.used += size.next_multiple_of(8);
        Ok(())
    }

    /// Ends writing: to be called before the commands are submitted.
    pub(super) fn close(&self) {
        self.pieces.iter().filter(|piece| piece.used > 0).for_each(|piece| piece.buffer.unmap());
    }

    /// Asks for the memory back, once the commands are done.
    pub(super) fn reopen(&mut self) {
        for piece in self.pieces.iter_mut().filter(|piece| piece.used > 0) {
            piece.used = 0;
            // A failure shows at the next write.
            piece.buffer.map_async(MapMode::Write, .., |_| {});
        }
    }
}

impl Device {
    /// Writes a slice whole.
    pub(super) fn write(
        &self,
        upload: &mut Upload,
        encoder: &mut CommandEncoder,
        target: (&Buffer, u64),
        bytes: &[u8],
    ) -> Result<(), Error> {
        let mut offset = target.1;
        for part in bytes.chunks(Upload::MOST) {
            let size = part.len() as u64;
            let fill = |mut memory: WriteOnly<'_, [u8]>| memory.copy_from_slice(part);
            upload.write(self, encoder, (target.0, offset), size, fill)?;
            offset += size;
        }
        Ok(())
    }
}
