//! The leading directions of a large matrix: `benches/range_finder.py` runs this on matrices that it makes.
//!
//!     range_finder FILE D_OUT D_IN K TOLERANCE RUNS
//!
//! reads D_OUT × D_IN numbers in f32, prints the milliseconds of each run, the stated bound and what is determined, and writes the
//! right vectors to FILE.right.

use std::time::Instant;

use lorascope::Dtype;
use lorascope::range_finder::{Dense, HowMany, RangeFinder};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let [file, numbers @ ..] = arguments.as_slice() else { return };
    let bytes = std::fs::read(file).expect("the file can be read");
    let values: Vec<f32> =
        bytes.chunks_exact(4).map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]])).collect();
    let whole = |at: usize| numbers[at].parse::<usize>().expect("a whole number");
    let (d_out, d_in, k, n_runs) = (whole(0), whole(1), whole(2), whole(4));
    let tolerance: f64 = numbers[3].parse().expect("a number");
    let matrix = Dense::new(d_in, values, Dtype::F32).expect("whole rows");
    let finder = RangeFinder::new(HowMany::Top(k)).tolerance(tolerance);
    for run in 0..n_runs {
        let start = Instant::now();
        let found = finder.find(&matrix).expect("finite numbers");
        let ms = start.elapsed().as_secs_f64() * 1e3;
        println!(
            "{ms:.1} ms, bound {:.1e}, {} of {k} determined, {d_out} × {d_in}",
            found.bounds()[found.bounds().len() - 1],
            found.n_determined()
        );
        if run == 0 {
            let right: Vec<u8> = found.right().iter().flat_map(|value| value.to_le_bytes()).collect();
            std::fs::write(format!("{file}.right"), right).expect("the folder can be written");
        }
    }
}
