//! What a comment cannot keep equal: shaders and their host sides.

use std::collections::{BTreeMap, BTreeSet};
use std::mem::{offset_of, size_of};
use std::path::Path;

use lorascope::kernels::colormap::{ColorTable, Params};
use lorascope::kernels::pair_stats;
use lorascope::kernels::similarity::Tile;
use lorascope::kernels::{Binding, KERNELS, Kernel};
use naga::back::pipeline_constants::process_overrides;
use naga::proc::{GlobalCtx, Layouter};
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{AddressSpace, Module, ShaderStage, StorageAccess, TypeInner};

/// WebGPU's default limits.
const MAX_INVOCATIONS: u32 = 256;
const MAX_WORKGROUP_BYTES: u32 = 16_384;
const MAX_STORAGE_BUFFERS: usize = 8;

/// The kernel that asks for cooperative matrices, and for the memory of two tiles.
const NEEDS_MATRICES: &str = "pair_stats_coop";

/// The kernel that asks for subgroups.
const NEEDS_SUBGROUPS: &str = "pair_stats_128_subgroup";

/// Parsed and validated with no optional capability at all, but for those that need some. (naga counts unpack2x16float as
/// one, for WebGL's sake; it is a part of WebGPU's core.)
fn load(kernel: &Kernel) -> (Module, ModuleInfo) {
    let module = naga::front::wgsl::parse_str(kernel.source)
        .unwrap_or_else(|error| panic!("{}", error.emit_to_string(kernel.source)));
    let capabilities = match kernel.name {
        NEEDS_MATRICES => {
            Capabilities::COOPERATIVE_MATRIX | Capabilities::SHADER_FLOAT16 | Capabilities::SUBGROUP
        }
        NEEDS_SUBGROUPS => Capabilities::SUBGROUP,
        name if name.ends_with("_f16") => Capabilities::SHADER_FLOAT16_IN_FLOAT32,
        _ => Capabilities::empty(),
    };
    let info = Validator::new(ValidationFlags::all(), capabilities)
        .validate(&module)
        .unwrap_or_else(|error| panic!("{}: {error:?}", kernel.name));
    (module, info)
}

/// With the host's overrides put in.
fn resolve(kernel: &Kernel) -> Module {
    let (module, info) = load(kernel);
    let constants = kernel.overrides.iter().map(|&(name, value)| (name.to_owned(), value)).collect();
    let entry = Some((ShaderStage::Compute, kernel.name));
    process_overrides(&module, &info, entry, &constants).unwrap().0.into_owned()
}

#[test]
fn every_shader_file_has_a_kernel_and_every_kernel_its_file() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders");
    let mut files: BTreeMap<String, String> = folder
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "wgsl"))
        .map(|path| {
            (path.file_stem().unwrap().to_str().unwrap().to_owned(), std::fs::read_to_string(&path).unwrap())
        })
        .collect();
    // These have no kernel of their own and are joined to some files.
    let [common, stack, product, tile_128, steps, bases_f32, bases_f16] =
        ["common", "stack", "product", "tile_128", "steps", "bases_f32", "bases_f16"]
            .map(|name| files.remove(name).unwrap());
    let names: BTreeSet<&str> = KERNELS.iter().map(|kernel| kernel.name).collect();
    assert_eq!(names.len(), KERNELS.len());
    assert!(files.keys().eq(&names), "{:?} for {names:?}", files.keys());
    let mut n_joined = [0; 6];
    for kernel in &KERNELS {
        let own = &files[kernel.name];
        let bases = if kernel.name.ends_with("_f16") { &bases_f16 } else { &bases_f32 };
        let ways = [
            own.clone(),
            format!("{common}{own}"),
            format!("{stack}{product}{bases}{own}"),
            format!("{stack}{product}{tile_128}{steps}{bases}{own}"),
            format!("{stack}{product}{tile_128}{bases}{own}"),
            // Directives come first.
            format!("{own}{stack}"),
        ];
        let way = ways.iter().position(|source| source == kernel.source);
        n_joined[way.unwrap_or_else(|| panic!("{}: the source is not its file's text", kernel.name))] += 1;
    }
    assert_eq!(n_joined, [2, 2, 2, 2, 1, 1]);
}

#[test]
fn every_kernel_validates_with_what_the_engine_asks_for_and_its_entry_point_has_its_name() {
    for kernel in &KERNELS {
        let (module, _) = load(kernel);
        let entries: Vec<_> = module.entry_points.iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(entries, [kernel.name]);
    }
}

#[test]
fn bindings_and_access_modes_match_the_host() {
    for kernel in &KERNELS {
        let (module, _) = load(kernel);
        let mut bindings = BTreeMap::new();
        for (_, variable) in module.global_variables.iter() {
            let Some(binding) = variable.binding else { continue };
            assert_eq!(binding.group, 0, "{}", kernel.name);
            let kind = match variable.space {
                AddressSpace::Uniform => Binding::Uniform,
                AddressSpace::Storage { access } if access.contains(StorageAccess::STORE) => {
                    Binding::ReadWrite
                }
                AddressSpace::Storage { .. } => Binding::Read,
                other => panic!("{}: {other:?} has a binding", kernel.name),
            };
            bindings.insert(binding.binding, kind);
        }
        assert!(bindings.keys().copied().eq(0..kernel.bindings.len() as u32), "{}", kernel.name);
        assert!(bindings.values().eq(kernel.bindings), "{}: {bindings:?}", kernel.name);
        let storage = kernel.bindings.iter().filter(|&&kind| kind != Binding::Uniform).count();
        assert!(storage <= MAX_STORAGE_BUFFERS);
    }
}

#[test]
fn the_host_sets_every_override_that_no_other_one_gives() {
    for kernel in &KERNELS {
        let (module, _) = load(kernel);
        let given: BTreeSet<_> = kernel.overrides.iter().map(|(name, _)| *name).collect();
        let mut wanted = BTreeSet::new();
        for (_, constant) in module.overrides.iter() {
            let literal = constant
                .init
                .is_none_or(|init| matches!(module.global_expressions[init], naga::Expression::Literal(_)));
            if literal {
                wanted.insert(constant.name.as_deref().unwrap());
            }
        }
        assert_eq!(given, wanted, "{}", kernel.name);
    }
}

#[test]
fn workgroups_and_their_memory_fit_the_default_limits() {
    for kernel in &KERNELS {
        let module = resolve(kernel);
        let [x, y, z] = module.entry_points[0].workgroup_size;
        assert!(x * y * z > 1 && x * y * z <= MAX_INVOCATIONS, "{}: {x} × {y} × {z}", kernel.name);
        let bytes: u32 = module
            .global_variables
            .iter()
            .filter(|(_, variable)| variable.space == AddressSpace::WorkGroup)
            .map(|(_, variable)| module.types[variable.ty].inner.size(module.to_ctx()))
            .sum();
        let most = MAX_WORKGROUP_BYTES * if kernel.name == NEEDS_MATRICES { 2 } else { 1 };
        assert!(bytes <= most, "{}: {bytes} bytes", kernel.name);
    }
}

#[test]
fn every_kernel_compiles_to_spir_v() {
    for kernel in &KERNELS {
        let module = resolve(kernel);
        let info = Validator::new(ValidationFlags::all(), Capabilities::all()).validate(&module).unwrap();
        let options = naga::back::spv::Options { lang_version: (1, 6), ..Default::default() };
        let words = naga::back::spv::write_vec(&module, &info, &options, None)
            .unwrap_or_else(|error| panic!("{}: {error}", kernel.name));
        assert!(words.len() > 100, "{}", kernel.name);
    }
}

/// Name and offset of each member, and the whole's size.
fn layout(kernel: &Kernel, name: &str) -> (Vec<(String, usize)>, usize) {
    let module = resolve(kernel);
    let context: GlobalCtx<'_> = module.to_ctx();
    let mut layouter = Layouter::default();
    layouter.update(context).unwrap();
    let (_, ty) = module.types.iter().find(|(_, ty)| ty.name.as_deref() == Some(name)).unwrap();
    let TypeInner::Struct { members, span } = &ty.inner else { panic!("{name} is no struct") };
    let members = members.iter().map(|member| (member.name.clone().unwrap(), member.offset as usize));
    (members.collect(), *span as usize)
}

/// The same of a host struct.
macro_rules! host_layout {
    ($type:ty: $($member:ident),+) => {
        (vec![$((stringify!($member).to_owned(), offset_of!($type, $member))),+], size_of::<$type>())
    };
}

#[test]
fn structs_have_one_layout_on_both_sides() {
    let tile = host_layout!(Tile: offset_a, offset_b, n_rows, n_cols, d, row, col, offset_grid);
    let with_tiles: Vec<_> = KERNELS.iter().filter(|kernel| kernel.source.contains("struct Tile")).collect();
    assert_eq!(with_tiles.len(), 3);
    for kernel in with_tiles {
        assert_eq!(layout(kernel, "Tile"), tile, "{}", kernel.name);
    }
    let colormap = &lorascope::kernels::colormap::KERNEL;
    let params = host_layout!(Params: n_rows, n_cols, width_px, height_px, y_px, n_rows_px);
    assert_eq!(layout(colormap, "Params"), params);
    assert_eq!(layout(colormap, "ColorTable"), host_layout!(ColorTable: edges, colors));
    let params = host_layout!(pair_stats::Params: d4, row_a, row_b, n_a, n_b, facts_a, facts_b, pairs, n_cells, n_words,
        n_tiles, tiles, groups_a, groups_b, starts_a, starts_b, cells, slots);
    let facts = host_layout!(pair_stats::RowParams: weights, scales, dithers_a, dithers_b);
    for variant in &pair_stats::VARIANTS {
        assert_eq!(layout(&variant.kernel, "Params"), params, "{}", variant.kernel.name);
        assert_eq!(layout(&variant.kernel, "Facts"), facts, "{}", variant.kernel.name);
    }
}
