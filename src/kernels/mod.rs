//! The kernels: for each WGSL file of `shaders/` a module of the same name with its host side, and the plain CPU
//! function of the same name that tests hold it against.

pub mod colormap;
