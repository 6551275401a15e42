//! Averages over the rows of a layer, of a projection, and of both.

use std::collections::{BTreeMap, HashMap};

use crate::names::Projection;

/// Sums over rows.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Sum {
    pub(super) n: u64,
    phi: f64,
    excess: f64,
    linear_cka: f64,
    n_linear_cka: u64,
}

impl Sum {
    fn add(&mut self, phi: f64, excess: f64, linear_cka: f64) {
        self.n += 1;
        self.phi += phi;
        self.excess += excess;
        if linear_cka.is_finite() {
            self.linear_cka += linear_cka;
            self.n_linear_cka += 1;
        }
    }

    fn merge(&mut self, other: &Self) {
        self.n += other.n;
        self.phi += other.phi;
        self.excess += other.excess;
        self.linear_cka += other.linear_cka;
        self.n_linear_cka += other.n_linear_cka;
    }

    pub(super) fn mean_phi(&self) -> f64 {
        self.phi / self.n as f64
    }

    pub(super) fn mean_excess(&self) -> f64 {
        self.excess / self.n as f64
    }

    /// NaN where no row has a linear CKA.
    pub(super) fn mean_linear_cka(&self) -> f64 {
        self.linear_cka / self.n_linear_cka as f64
    }
}

/// A projection by its place in the order that tables and pictures have: q, k, v, o, qkv, gate, up, down, then other names
/// by the alphabet, then none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ProjectionKey(usize, Option<String>);

impl ProjectionKey {
    pub(super) fn new(name: Option<String>) -> Self {
        let n_known = Projection::ALL.len();
        let order = match &name {
            Some(name) => Projection::ALL.iter().position(|known| known.name() == name).unwrap_or(n_known),
            None => n_known + 1,
        };
        Self(order, name)
    }

    pub(super) fn name(&self) -> &str {
        self.1.as_deref().unwrap_or("–")
    }
}

/// A layer's number; what stands in no layer comes last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Layer {
    Number(i64),
    None,
}

impl Layer {
    pub(super) fn name(self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::None => "–".to_owned(),
        }
    }
}

impl From<Option<i64>> for Layer {
    fn from(number: Option<i64>) -> Self {
        number.map_or(Self::None, Self::Number)
    }
}

/// Sums by layer and projection, of the pairs that are not marked and of those that are.
#[derive(Default)]
pub(super) struct GroupSums {
    projections: HashMap<Vec<u8>, usize>,
    /// The last is of rows without a projection.
    places: HashMap<(Layer, Option<usize>), usize>,
    last: Option<((Layer, Option<usize>), usize)>,
    sums: Vec<[Sum; 2]>,
}

impl GroupSums {
    pub(super) fn add(&mut self, layer: Layer, projection: Option<&[u8]>, is_marked: bool, row: [f64; 3]) {
        let projection = projection.map(|name| match self.projections.get(name) {
            Some(&place) => place,
            None => {
                let place = self.projections.len();
                self.projections.insert(name.to_vec(), place);
                place
            }
        });
        let key = (layer, projection);
        // A block of a scan is one module's.
        let place = match self.last {
            Some((last, place)) if last == key => place,
            _ => *self.places.entry(key).or_insert_with(|| {
                self.sums.push([Sum::default(); 2]);
                self.sums.len() - 1
            }),
        };
        self.last = Some((key, place));
        let [phi, excess, linear_cka] = row;
        self.sums[place][usize::from(is_marked)].add(phi, excess, linear_cka);
    }

    /// The averages of the pairs that are not marked, or of all.
    pub(super) fn finish(&self, with_marked: bool) -> Groups {
        let mut names = vec![String::new(); self.projections.len()];
        for (name, &place) in &self.projections {
            names[place] = String::from_utf8_lossy(name).into_owned();
        }
        let mut groups = Groups::default();
        for (&(layer, projection), &place) in &self.places {
            let [unmarked, marked] = &self.sums[place];
            let mut sum = *unmarked;
            if with_marked {
                sum.merge(marked);
            }
            if sum.n > 0 {
                let key = ProjectionKey::new(projection.map(|place| names[place].clone()));
                groups.cells.insert((layer, key), sum);
            }
        }
        for ((layer, projection), sum) in &groups.cells {
            groups.layers.entry(*layer).or_default().merge(sum);
            groups.projections.entry(projection.clone()).or_default().merge(sum);
        }
        groups
    }
}

/// Averages over the rows of layers, of projections, and of both.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Groups {
    pub(super) cells: BTreeMap<(Layer, ProjectionKey), Sum>,
    pub(super) layers: BTreeMap<Layer, Sum>,
    pub(super) projections: BTreeMap<ProjectionKey, Sum>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_in_numeric_order_and_projections_in_the_order_of_a_block() {
        let mut sums = GroupSums::default();
        for (layer, projection) in
            [(Some(10), Some("v")), (Some(9), Some("q")), (None, Some("conv_in")), (Some(9), None)]
        {
            sums.add(layer.into(), projection.map(str::as_bytes), false, [0.5, 0.25, f64::NAN]);
        }
        let groups = sums.finish(false);
        let layers: Vec<_> = groups.layers.keys().map(|layer| layer.name()).collect();
        assert_eq!(layers, ["9", "10", "–"]);
        let projections: Vec<_> = groups.projections.keys().map(ProjectionKey::name).collect();
        assert_eq!(projections, ["q", "v", "conv_in", "–"]);
        let nine = &groups.layers[&Layer::Number(9)];
        assert_eq!((nine.n, nine.mean_phi(), nine.mean_excess()), (2, 0.5, 0.25));
        assert!(nine.mean_linear_cka().is_nan());
    }

    #[test]
    fn marked_rows_count_when_asked_for() {
        let mut sums = GroupSums::default();
        sums.add(Layer::Number(0), None, false, [0.2, 0.1, 0.4]);
        sums.add(Layer::Number(0), None, true, [1.0, 0.9, 0.8]);
        sums.add(Layer::Number(1), None, true, [1.0, 0.9, 0.8]);
        let (unmarked, all) = (sums.finish(false), sums.finish(true));
        assert_eq!(unmarked.layers.len(), 1);
        assert_eq!(unmarked.layers[&Layer::Number(0)].mean_phi(), 0.2);
        assert!((all.layers[&Layer::Number(0)].mean_linear_cka() - 0.6).abs() < 1e-12);
        assert_eq!(all.layers[&Layer::Number(1)].n, 1);
    }
}
