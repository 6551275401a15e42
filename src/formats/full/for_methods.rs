//! The base model for methods whose ΔW is made of W.

use super::difference::Trained;
use crate::adapter::made::Form;
use crate::adapter::{Adapter, Factor};
use crate::error::Result;
use crate::formats::weights::Weights;

impl Weights for Trained {
    fn weight(&self, path: &str) -> Result<Option<Factor>> {
        Ok(self.base.weight(path)?.map(super::Weight::into_factor))
    }

    fn at_most(&self) -> usize {
        self.how_many.at_most()
    }

    fn share(&self) -> Option<f64> {
        self.share_of_energy()
    }
}

impl Trained {
    /// Adds the base model's files to those of an adapter that has numbers of it.
    pub(in crate::formats) fn add_sources(&self, adapter: &mut Adapter) {
        let has_weight = |factor: &Factor| match factor.made.as_ref().map(|made| &made.update.form) {
            Some(Form::Method(of)) => of.weight.is_some(),
            _ => false,
        };
        if adapter.n_rescaled > 0 || adapter.modules.iter().any(|module| has_weight(&module.a)) {
            adapter.base_sources.clone_from(&self.base.sources);
        }
    }
}
