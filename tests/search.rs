//! `lorascope search` and `search::Search`: planted folders, against a scan that has the query among its adapters and against
//! `compare`.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use common::checkpoints::{Checkpoint, Shape};
use common::planted::{Planted, random, write};
use common::scans::{Ended, Place, Row, ended};
use faer::Mat;
use lorascope::relation::Relation;
use lorascope::report::By;
use lorascope::search::{Found, Search};
use serde_json::Value;

const Q: &str = "model.layers.0.self_attn.q_proj";
const V: &str = "model.layers.0.self_attn.v_proj";

fn search(place: &Place, args: &str) -> Ended {
    ended(&place.lorascope(&format!("search {args} --cache cache")).output().unwrap())
}

fn json(place: &Place, args: &str) -> Value {
    let ended = search(place, &format!("{args} --json -q"));
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{args}");
    serde_json::from_str(&ended.stdout).unwrap()
}

fn error(place: &Place, args: &str) -> String {
    let ended = search(place, args);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{args}");
    ended.stderr
}

/// The names of the neighbours of the first query, the nearest first.
fn names(found: &Value) -> Vec<&str> {
    let nearest = found["queries"][0]["nearest"].as_array().unwrap();
    nearest.iter().map(|one| one["path"].as_str().unwrap().strip_prefix("runs/").unwrap()).collect()
}

/// `first` over `second`.
fn stacked(first: &Mat<f64>, second: &Mat<f64>) -> Mat<f64> {
    let n = first.nrows();
    Mat::from_fn(
        n + second.nrows(),
        first.ncols(),
        |i, j| {
            if i < n { first[(i, j)] } else { second[(i - n, j)] }
        },
    )
}

/// The same update and as much again in other directions, at twice the rank.
fn wider(one: &Planted, seed: u64) -> Planted {
    let (r, d_in, d_out) = (one.a.nrows(), one.a.ncols(), one.b.nrows());
    let a = stacked(&one.a, &random(r, d_in, seed));
    let b = stacked(&one.b.transpose().to_owned(), &random(r, d_out, seed + 1));
    Planted { name: one.name, a, b: b.transpose().to_owned() }
}

/// A query next to a folder of its copies, its negation, a part of which it is, and strangers of several ranks.
fn planted() -> Place {
    let place = Place::new();
    let own = [Planted::random(Q, 4, 48, 64, 1), Planted::random(V, 4, 48, 32, 2)];
    let each = |of: &dyn Fn(&Planted) -> Planted| own.iter().map(of).collect::<Vec<_>>();
    let folder = |name: &str| place.path("runs").join(name);
    write(&place.path("new"), &own, 8.0);
    write(&folder("copy"), &own, 8.0);
    write(&folder("negated"), &each(&|one| one.times(-1.0)), 8.0);
    write(&folder("halved"), &each(&|one| one.times(0.5)), 8.0);
    write(&folder("wider"), &each(&|one| wider(one, 70)), 16.0);
    // Only one of the two modules, and that the same.
    write(&folder("value-only"), &own[1..], 8.0);
    for (n, r) in (0..).zip([2, 4, 8]) {
        let stranger = [Planted::random(Q, r, 48, 64, 20 + n), Planted::random(V, r, 48, 32, 30 + n)];
        write(&folder(&format!("stranger-{r}")), &stranger, 8.0);
    }
    place
}

#[test]
fn copies_come_first_whatever_their_size_and_rank_then_the_negated_one_then_strangers() {
    let place = planted();
    for side in ["a", "b", "dw-left"] {
        place.done(&format!("runs -o {side} --side {side} --update"));
        let found = json(&place, &format!("new --in {side}"));
        let expected = ["copy", "halved", "value-only", "wider", "negated"];
        assert_eq!(names(&found)[..5], expected, "{side}");
        assert!(names(&found)[5..].iter().all(|name| name.starts_with("stranger")), "{side}");
        let nearest = found["queries"][0]["nearest"].as_array().unwrap();
        assert_eq!(nearest.len(), 8);
        for (one, cosine) in nearest.iter().zip([1.0, 1.0, 1.0, f64::NAN, -1.0]) {
            assert!((one["adjusted"].as_f64().unwrap() - 1.0).abs() < 1e-5, "{side}: {one}");
            assert_eq!(one["value"], one["adjusted"]);
            let found = one["cosine"].as_f64().unwrap();
            assert!(cosine.is_nan() && found > 0.3 && found < 0.9 || (found - cosine).abs() < 1e-5, "{one}");
        }
        let chance = |one: &Value| one["adjusted"].as_f64().unwrap().abs() < 0.15;
        assert!(nearest[5..].iter().all(chance), "{side}: {nearest:?}");
        let modules: Vec<u64> = nearest.iter().map(|one| one["n_modules"].as_u64().unwrap()).collect();
        assert_eq!(modules, [2, 2, 1, 2, 2, 2, 2, 2]);
        let words: Vec<&str> = nearest.iter().map(|one| one["relation"]["word"].as_str().unwrap()).collect();
        assert_eq!(words[0], "same file");
        assert_eq!((words[1], words[4]), ("scaled", "negated"));
        assert!(words[5..].iter().all(|word| *word == "unrelated"), "{words:?}");
        assert!(nearest[1]["relation"]["text"].as_str().unwrap().starts_with("scaled: b is 0.5"));
    }
    // By the sign: the negated one is the farthest.
    let found = json(&place, "new --in b --by cosine");
    assert_eq!((names(&found)[0], names(&found)[7]), ("copy", "negated"));
    let found = json(&place, "new --in b --top 2 --by linear_cka");
    assert_eq!(names(&found), ["copy", "halved"]);
    // The text has what the JSON has.
    let text = search(&place, "new --in b --top 5 -q").stdout;
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with(
        "new: 2 of its 2 modules in the scan; the 5 nearest of 8 adapters by adjusted φ on side b ("
    ));
    let row = |n: usize| lines[n].split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(row(2), "1 +1.000 +1.000 1.000 1.000 2 same file runs/copy");
    assert_eq!(row(3), "2 +1.000 +1.000 1.000 1.000 2 scaled by 0.5000 runs/halved");
    assert_eq!(row(6), "5 +1.000 -1.000 1.000 1.000 2 negated runs/negated");
    // Two queries are two searches.
    let both = json(&place, "new runs/stranger-4 --in b");
    assert_eq!(both["queries"][0], json(&place, "new --in b")["queries"][0]);
    assert_eq!(both["queries"][1], json(&place, "runs/stranger-4 --in b")["queries"][0]);
    // A checkpoint of the scan itself is marked.
    let own = &both["queries"][1]["nearest"][0];
    assert_eq!(
        (own["path"].as_str(), own["relation"]["word"].as_str()),
        (Some("runs/stranger-4"), Some("same file"))
    );
}

/// The mean of a column over the modules of each adapter that stands next to adapter `query`.
fn means(table: &[Row], query: usize, column: &str) -> BTreeMap<usize, f64> {
    let mut sums: BTreeMap<usize, (f64, f64)> = BTreeMap::new();
    for row in table {
        let (a, b) = (row.int("a"), row.int("b"));
        if a == query || b == query {
            let (sum, n) = sums.entry(a + b - query).or_default();
            *sum += row.number(column).unwrap();
            *n += 1.0;
        }
    }
    sums.into_iter().map(|(id, (sum, n))| (id, sum / n)).collect()
}

/// The cosine of the whole updates of each adapter that stands next to adapter `query`.
fn cosines(table: &[Row], query: usize) -> BTreeMap<usize, f64> {
    let mut sums: BTreeMap<usize, [f64; 3]> = BTreeMap::new();
    for row in table {
        let (a, b) = (row.int("a"), row.int("b"));
        if a == query || b == query {
            let sums = sums.entry(a + b - query).or_default();
            let [cosine, x, y] = ["cosine", "norm_a", "norm_b"].map(|column| row.number(column).unwrap());
            sums.iter_mut().zip([cosine * x * y, x * x, y * y]).for_each(|(sum, value)| *sum += value);
        }
    }
    sums.into_iter().map(|(id, [inner, x, y])| (id, inner / (x * y).sqrt())).collect()
}

#[test]
fn numbers_are_those_of_a_scan_with_the_query_in_it_over_any_number_of_adapters() {
    const MODULES: [Shape; 2] =
        [("layers.0.self_attn.q_proj", 40, 56), ("layers.10.self_attn.v_proj", 32, 24)];
    let place = Place::new();
    // More than are compared at once, of several ranks and starts.
    for seed in 0..150u64 {
        let r = [2, 4, 7][seed as usize % 3];
        let checkpoint = Checkpoint::new(seed).start(seed % 40).r(r).modules(&MODULES);
        checkpoint.write(&place.path("runs").join(format!("{seed}")));
    }
    Checkpoint::new(900).start(4).modules(&MODULES).write(&place.path("zz-new"));
    place.done("runs -o out --update --pairs consecutive");
    place.done("runs zz-new -o with --update --pairs against zz-new --keep cells=2:2");
    let (table, adapters) = (place.table("with"), place.adapters("with"));
    let id_of = |path: &str| adapters.iter().position(|row| row.text("path") == Some(path)).unwrap();
    let query = id_of("zz-new");
    let expected = |by: &str| match by {
        "cosine" => cosines(&table, query),
        by => means(&table, query, by),
    };
    for by in ["adjusted", "cosine", "linear_cka", "phi_full", "phi_2"] {
        let found = json(&place, &format!("zz-new --in out --by {by} --top 150"));
        let nearest = found["queries"][0]["nearest"].as_array().unwrap();
        assert_eq!(nearest.len(), 150, "{by}");
        let expected = expected(by);
        let mut last = f64::INFINITY;
        for one in nearest {
            let value = one["value"].as_f64().unwrap();
            let expected = expected[&id_of(one["path"].as_str().unwrap())];
            assert!((value - expected).abs() < 2e-6, "{by}: {one} for {expected}");
            assert!(value <= last + 1e-5, "{by}: {value} after {last}");
            last = value;
            if by != "phi_2" {
                assert_eq!(one[by], one["value"]);
            }
        }
        // A short list is the head of the whole one, though only what is ranked by is read of the others.
        let short = json(&place, &format!("zz-new --in out --by {by} --top 7"));
        assert_eq!(short["queries"][0]["n_compared"], found["queries"][0]["n_compared"]);
        assert_eq!(short["queries"][0]["nearest"].as_array().unwrap()[..], nearest[..7], "{by}");
    }
    place.done("runs -o half --precision f16 --pairs consecutive");
    let [whole, short] = ["150", "7"].map(|top| json(&place, &format!("zz-new --in half --top {top}")));
    let nearest = |found: &Value| found["queries"][0]["nearest"].as_array().unwrap()[..7].to_vec();
    assert_eq!(nearest(&short), nearest(&whole));
    // What compare says of the nearest. Two of its rank share its start.
    let found = json(&place, "zz-new --in out --top 3");
    assert!(
        found["warnings"][0]["message"]
            .as_str()
            .unwrap()
            .starts_with("2 of 3 listed share the query's random start of A")
    );
    for one in found["queries"][0]["nearest"].as_array().unwrap() {
        // A has as many rows in these.
        let same_rank = ["runs/4", "runs/124"].map(Value::from).contains(&one["path"]);
        assert_eq!(one["shared_init"], same_rank, "{one}");
        let path = one["path"].as_str().unwrap();
        let compared =
            place.lorascope(&format!("compare zz-new {path} --json -q --engine cpu")).output().unwrap();
        let compared: Value = serde_json::from_slice(&compared.stdout).unwrap();
        assert_eq!(compared["relation"], one["relation"]);
        let [own, other] =
            [&compared["whole"]["cosine"], &one["cosine"]].map(|value| value.as_f64().unwrap());
        assert!((own - other).abs() < 1e-5, "{own} {other}");
    }
}

#[test]
fn the_library_finds_what_the_command_finds_and_csv_has_it_too() {
    let place = planted();
    place.done("runs -o out --side b --update");
    let [cache, out, new] = ["cache", "out", "new"].map(|name| place.path(name));
    let found: Found = Search::new(&out).cache(&cache).by(By::Cosine).top(4).run(&[&new]).unwrap();
    let printed = json(&place, "new --in out --by cosine --top 4");
    let query = &found.queries[0];
    assert_eq!((found.n_adapters, found.n_factorised, query.n_compared), (8, 0, 8));
    for (one, printed) in query.nearest.iter().zip(printed["queries"][0]["nearest"].as_array().unwrap()) {
        assert_eq!(one.path, Path::new(printed["path"].as_str().unwrap()));
        for (value, key) in
            [(one.cosine, "cosine"), (one.adjusted, "adjusted"), (one.linear_cka, "linear_cka")]
        {
            let printed = printed[key].as_f64().unwrap();
            // As a reader of JSON rounds it.
            assert!((value.unwrap() - printed).abs() < 1e-15, "{key}: {value:?} {printed}");
        }
    }
    // The scan's paths are those of its own current folder, which is not that of this process.
    assert!(query.nearest.iter().all(|one| one.relation.is_none()));

    let csv = search(&place, "new --in out --csv -q").stdout;
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines.len(), 9);
    assert_eq!(
        lines[0],
        "query,rank,id,path,relation,n_modules,adjusted,cosine,linear_cka,phi_full,shared_init,other_base"
    );
    assert!(lines[1].starts_with("new,1,0,runs/copy,same file,2,"), "{}", lines[1]);

    place.done(&format!("{} -o here", place.path("runs").display()));
    let found = Search::new(place.path("here")).cache(&cache).run(&[new]).unwrap();
    assert_eq!(found.queries[0].nearest[0].relation, Some(Relation::SameFile));
    assert_eq!(found.queries[0].nearest[0].cosine, None);
}

#[test]
fn bases_that_the_cache_lost_are_made_again_and_without_their_file_that_is_an_error() {
    let place = planted();
    place.done("runs -o out --side b");
    place.done("runs -o kept-nothing --side b --no-cache");
    let before = search(&place, "new --in out");
    assert_eq!((before.code, before.stderr.as_str()), (Some(0), ""));
    // A scan that kept no bases.
    let again = search(&place, "new --in kept-nothing");
    assert_eq!(again.stdout, before.stdout);
    assert_eq!(again.stderr, "note: 8 of 8 adapters were not in the cache and were factorised again\n");
    // Evicted, then there again.
    fs::remove_dir_all(place.path("cache")).unwrap();
    let again = search(&place, "new --in out");
    assert_eq!((again.stdout, again.stderr.lines().count()), (before.stdout.clone(), 1));
    assert_eq!(search(&place, "new --in out").stderr, "");

    // With the bases and without a file: the numbers, and no relation.
    let moved = place.path("moved");
    fs::rename(place.path("runs/copy"), &moved).unwrap();
    let found = json(&place, "new --in out");
    let nearest = &found["queries"][0]["nearest"][0];
    assert_eq!((&nearest["path"], &nearest["relation"]), (&"runs/copy".into(), &Value::Null));
    assert!((nearest["adjusted"].as_f64().unwrap() - 1.0).abs() < 1e-5);
    // With neither.
    let stderr = error(&place, "new --in kept-nothing");
    assert_eq!(
        stderr,
        "error: runs/copy: found nothing there, and no bases of it in the cache cache, expected one of the two, for the scan \
         kept-nothing\nhint: give the cache that the scan used with --cache DIR, or put the checkpoint back in its place\n"
    );
    // Another file in its place is not what was scanned.
    fs::create_dir(place.path("runs/copy")).unwrap();
    for file in ["adapter_config.json", "adapter_model.safetensors"] {
        fs::copy(place.path("runs/negated").join(file), place.path("runs/copy").join(file)).unwrap();
    }
    assert_eq!(json(&place, "new --in out")["queries"][0]["nearest"][0]["relation"], Value::Null);
    let stderr = error(&place, "new --in kept-nothing");
    assert!(stderr.starts_with("error: runs/copy: found other bytes than when the scan began"), "{stderr}");
}

#[test]
fn a_scan_that_is_not_finished_is_searched_only_when_that_is_asked_for() {
    let place = planted();
    place.done("runs -o out");
    let whole = json(&place, "new --in out");
    let files = common::scans::files(&place.path("out/pairs"));
    fs::remove_file(&files[0]).unwrap();
    let n = files.len();
    assert_eq!(
        error(&place, "new --in out"),
        format!(
            "error: out: found 1 of {n} blocks missing, expected a finished scan\nhint: go on with `lorascope scan runs -o out`, or \
             see what is there with --partial\n"
        )
    );
    // The bases are there, so that nothing is missing of what is found.
    let ended = search(&place, "new --in out --partial --json");
    let warning =
        format!("the scan is not finished: 1 of {n} blocks missing; all adapters of its plan are searched");
    assert_eq!((ended.code, ended.stderr.lines().next()), (Some(0), Some(&*format!("warning: {warning}"))));
    let partial: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(partial["queries"], whole["queries"]);
    assert_eq!(partial["warnings"][0]["code"], "unfinished");
    place.done("runs -o out");
    assert_eq!(json(&place, "new --in out"), whole);
}

#[test]
fn a_damaged_entry_is_made_again_and_changes_no_number() {
    let place = planted();
    place.done("runs -o out --side b");
    let before = search(&place, "new --in out");
    let entry = |file: &Path| file.extension().is_some_and(|suffix| suffix == "safetensors");
    let files = fs::read_dir(place.path("cache")).unwrap().map(|file| file.unwrap().path());
    let files: Vec<PathBuf> = files.filter(|file| entry(file)).collect();
    assert_eq!(files.len(), 8);
    for (n, file) in files.iter().enumerate() {
        let whole = fs::read(file).unwrap();
        // The head, summaries and rows, in the first, the middle and the last record.
        for place_of in [100, whole.len() / 3, whole.len() / 2, whole.len() - 1 - 97 * n] {
            let mut bytes = whole.clone();
            bytes[place_of] ^= 0x40;
            fs::write(file, bytes).unwrap();
            let again = search(&place, "new --in out");
            assert_eq!(again.stdout, before.stdout, "byte {place_of} of {}", file.display());
            assert_eq!(
                again.stderr,
                "note: 1 of 8 adapters were not in the cache and were factorised again\n",
                "byte {place_of} of {}",
                file.display()
            );
            assert_eq!(fs::read(file).unwrap(), whole);
        }
    }
}

#[test]
fn what_cannot_be_searched_is_an_error_with_the_way_out() {
    let place = planted();
    place.done("runs -o out");
    assert_eq!(
        error(&place, "new --in out --by cosine"),
        "error: out: found a scan without the updates, expected the cosine of the updates, which a scan keeps when it is asked \
         for\nhint: scan again with `lorascope scan --update`\n"
    );
    write(&place.path("strange"), &[Planted::random("model.layers.0.mlp.up_proj", 4, 48, 64, 1)], 8.0);
    let stderr = error(&place, "strange --in out");
    assert!(
        stderr.starts_with("error: strange: modules: found `layers.0.mlp.up_proj` and none of the scan's"),
        "{stderr}"
    );
    assert!(stderr.contains("`layers.0.self_attn.q_proj`"), "{stderr}");
    write(&place.path("larger"), &[Planted::random(Q, 4, 96, 64, 1)], 8.0);
    assert_eq!(
        error(&place, "larger --in out"),
        "error: larger: layers.0.self_attn.q_proj: found dimension 96 on side a, expected 48, as in the scan\n"
    );
    let zeros = Planted { a: Mat::zeros(4, 48), ..Planted::random(Q, 4, 48, 64, 1) };
    write(&place.path("zeros"), &[zeros], 8.0);
    assert!(error(&place, "zeros --in out").starts_with("error: zeros: found no module with a basis: "));
    for (args, end) in [
        ("new --in nothing", "make one with `lorascope scan CHECKPOINT... -o OUT`\n"),
        ("nothing --in out", "nothing: no such file or directory\n"),
    ] {
        let stderr = error(&place, args);
        assert!(stderr.ends_with(end), "{stderr}");
    }
}
