//! PEFT's `target_parameters`: parameters of modules that are adapted themselves, such as those of all experts of a layer.

use crate::formats::ends::Ends;

/// The parameters, by the ends of their modules' names.
#[derive(Debug, Default)]
pub(super) struct Targets {
    parameters: Ends<Vec<String>>,
    is_empty: bool,
}

/// Names that are kept of one module: no module of a model has as many parameters for experts.
const MAX_OF_A_MODULE: usize = 8;

impl Targets {
    pub(super) fn of(written: Vec<String>) -> Self {
        let mut targets = Self { is_empty: written.is_empty(), ..Self::default() };
        for target in written {
            let Some((owner, parameter)) = target.rsplit_once('.') else { continue };
            let known = targets.parameters.entry(owner.to_owned());
            if known.len() < MAX_OF_A_MODULE && !known.iter().any(|name| name == parameter) {
                known.push(parameter.to_owned());
            }
        }
        targets
    }

    pub(super) fn is_empty(&self) -> bool {
        self.is_empty
    }

    /// Those of a module, each once, in order.
    pub(super) fn of_module(&self, module: &str) -> Vec<&str> {
        let found = self.parameters.of(module).into_iter().flatten();
        let mut names: Vec<&str> = found.flatten().map(String::as_str).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}
