//! What a comment cannot keep equal: shaders and their host sides.

use std::collections::{BTreeMap, BTreeSet};
use std::mem::{offset_of, size_of};
use std::path::{Path, PathBuf};

use lorascope::internals::kernels::colormap::{ColorTable, Params};
use lorascope::internals::kernels::pair_stats;
use lorascope::internals::kernels::similarity::{Chunk, Tile};
use lorascope::internals::kernels::{Binding, KERNELS, Kernel};
use lorascope::internals::kernels::{fma_rate, top_pairs};
use lorascope::measure::{N_PLAIN_SUMS, N_PRODUCT_SUMS, Needs, STATISTICS, Statistic};
use naga::back::pipeline_constants::process_overrides;
use naga::proc::{GlobalCtx, Layouter};
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{AddressSpace, Module, ShaderStage, StorageAccess, TypeInner};

/// WebGPU's default limits.
const MAX_INVOCATIONS: u32 = 256;
const MAX_WORKGROUP_BYTES: u32 = 16_384;
const MAX_STORAGE_BUFFERS: usize = 8;

/// Parsed and validated without any optional capability. (naga counts unpack2x16float as one, for WebGL's sake; it is a part
/// of WebGPU's core.)
fn load(kernel: &Kernel) -> (Module, ModuleInfo) {
    let module = naga::front::wgsl::parse_str(kernel.source.wgsl)
        .unwrap_or_else(|error| panic!("{}", error.emit_to_string(kernel.source.wgsl)));
    let is_f16 = kernel.name.ends_with("_f16");
    let capabilities = if is_f16 { Capabilities::SHADER_FLOAT16_IN_FLOAT32 } else { Capabilities::empty() };
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

/// The .wgsl files of a folder of shaders/, by their names in a kernel's list.
fn files(folder: &str) -> BTreeMap<String, String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders").join(folder);
    let paths = path.read_dir().unwrap().map(|entry| entry.unwrap().path());
    let shaders = paths.filter(|path| path.extension().is_some_and(|extension| extension == "wgsl"));
    let named = |path: PathBuf| {
        let stem = path.file_stem().unwrap().to_str().unwrap();
        (format!("{folder}{stem}"), std::fs::read_to_string(&path).unwrap())
    };
    shaders.map(named).collect()
}

#[test]
fn every_shader_file_has_a_kernel_and_every_kernel_its_files() {
    let (kernels, shared) = (files(""), files("shared/"));
    let names: BTreeSet<&str> = KERNELS.iter().map(|kernel| kernel.name).collect();
    assert_eq!(names.len(), KERNELS.len());
    assert!(kernels.keys().eq(&names), "{:?} for {names:?}", kernels.keys());
    let mut used = BTreeSet::new();
    for kernel in &KERNELS {
        let (own, fragments): (Vec<&str>, Vec<&str>) =
            kernel.source.files.iter().partition(|file| !file.starts_with("shared/"));
        assert_eq!(own, [kernel.name]);
        let text = |file: &&str| kernels.get(*file).or_else(|| shared.get(*file)).unwrap().as_str();
        assert_eq!(kernel.source.wgsl, kernel.source.files.iter().map(text).collect::<String>());
        used.extend(fragments);
    }
    assert!(shared.keys().eq(&used), "{:?} for {used:?}", shared.keys());
}

#[test]
fn the_readme_has_a_command_for_each_kernel_that_joins_the_same_files() {
    let readme = include_str!("../shaders/README.md");
    let commands: Vec<&str> = readme.lines().filter_map(|line| line.strip_prefix("wgsl-isa ")).collect();
    assert_eq!(commands.len(), KERNELS.len());
    for kernel in &KERNELS {
        let (name, isa) = (format!("{}.wgsl", kernel.name), format!(" --isa {}.s", kernel.name));
        let prelude = |command: &&str| Some(command.strip_prefix(&name)?.strip_suffix(&isa)?.to_owned());
        let found: Vec<String> = commands.iter().filter_map(prelude).collect();
        let [prelude] = &found[..] else { panic!("{}: {found:?}", kernel.name) };
        let fragments = &kernel.source.files[..kernel.source.files.len() - 1];
        let stems: Vec<&str> = fragments.iter().map(|file| file.strip_prefix("shared/").unwrap()).collect();
        let expected = match stems[..] {
            [] => String::new(),
            [one] => format!(" --prelude shared/{one}.wgsl"),
            _ => format!(" --prelude <(cat shared/{{{}}}.wgsl)", stems.join(",")),
        };
        assert_eq!(*prelude, expected, "{}", kernel.name);
    }
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
            // A tool that compiles a file as it is compiles what the engine does.
            let default = constant.init.map(|init| &module.global_expressions[init]);
            if let Some(naga::Expression::Literal(naga::Literal::U32(default))) = default {
                let value = kernel.overrides.iter().find(|(name, _)| Some(*name) == constant.name.as_deref());
                assert_eq!(value.map(|(_, value)| *value), Some(f64::from(*default)), "{}", kernel.name);
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
        assert!(bytes <= MAX_WORKGROUP_BYTES, "{}: {bytes} bytes", kernel.name);
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
    let with_tiles: Vec<_> =
        KERNELS.iter().filter(|kernel| kernel.source.wgsl.contains("struct Tile")).collect();
    assert_eq!(with_tiles.len(), 3);
    for kernel in with_tiles {
        assert_eq!(layout(kernel, "Tile"), tile, "{}", kernel.name);
    }
    for kernel in &KERNELS {
        if kernel.source.wgsl.contains("struct Chunk") {
            assert_eq!(layout(kernel, "Chunk"), host_layout!(Chunk: index, is_last), "{}", kernel.name);
        }
    }
    let colormap = &lorascope::internals::kernels::colormap::KERNEL;
    let params = host_layout!(Params: n_rows, n_cols, width_px, height_px, y_px, n_rows_px);
    assert_eq!(layout(colormap, "Params"), params);
    assert_eq!(layout(colormap, "ColorTable"), host_layout!(ColorTable: edges, colors));
    let params = host_layout!(fma_rate::Params: n_steps, factor, addend);
    assert_eq!(layout(&fma_rate::KERNEL, "Params"), params);
    let params = host_layout!(top_pairs::Params: n_a, n_b, is_upper, n_values, n_words, value, k, n_edges, ranks, capacity, pairs,
        words);
    for kernel in [top_pairs::KEYS, top_pairs::THRESHOLDS, top_pairs::GATHER] {
        assert_eq!(layout(&kernel, "Params"), params, "{}", kernel.name);
    }
    let params = host_layout!(pair_stats::Params: d4, split4, row_a, row_b, n_a, n_b, params_a, params_b, pairs, n_cells, n_words,
        n_tiles, tiles, groups_a, groups_b, starts_a, starts_b, cells, pair_table, checks, chunk, is_last, first_value, end_value,
        last_rows);
    let row_params = host_layout!(pair_stats::RowParams: weights, scales, dithers_a, dithers_b, signs);
    for variant in pair_stats::VARIANTS.iter().chain([&pair_stats::UPDATE_COSINE]) {
        assert_eq!(layout(&variant.kernel, "Params"), params, "{}", variant.kernel.name);
        assert_eq!(layout(&variant.kernel, "RowParams"), row_params, "{}", variant.kernel.name);
    }
}

#[test]
fn the_kernels_make_the_sums_that_the_statistics_ask_for_in_their_order() {
    let of_product = |statistic: &Statistic| match statistic.needs {
        Needs::Product(sum) => Some((statistic.key.to_uppercase(), sum.place() as u32)),
        _ => None,
    };
    let sums: Vec<(String, u32)> = STATISTICS.iter().filter_map(of_product).collect();
    assert_eq!(sums.len(), N_PRODUCT_SUMS);
    for variant in &pair_stats::VARIANTS {
        let (module, _) = load(&variant.kernel);
        let constant = |name: &str| {
            let found = module.constants.iter().find(|(_, constant)| constant.name.as_deref() == Some(name));
            let (_, constant) =
                found.unwrap_or_else(|| panic!("{}: no constant {name}", variant.kernel.name));
            match module.global_expressions[constant.init] {
                naga::Expression::Literal(naga::Literal::U32(value)) => value,
                ref other => panic!("{name} is {other:?}"),
            }
        };
        for (name, place) in &sums {
            assert_eq!(constant(name), *place, "{name}");
        }
        assert_eq!(constant("N_SUMS"), N_PRODUCT_SUMS as u32);
        assert_eq!(constant("N_PLAIN"), N_PLAIN_SUMS as u32);
    }
}
