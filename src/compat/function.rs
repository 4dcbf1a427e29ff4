//! Functions, which fill fields from fields.

use super::fit::{Droppable, Fitting};
use super::table::{ALLOW_FUNCTION_OUTPUTS, NO_FUNCTION_CHECK, Thing};
use crate::model::{Collection, Field, Function};

impl Fitting<'_> {
    /// Decides which functions the target gets, and which of their outputs.
    pub(super) fn functions(&mut self, meant: &mut Collection, fields: &[Field]) {
        let carried = |name: &String| fields.iter().any(|field| field.name == *name);
        let brings = |function: &Function| function.outputs.iter().any(&carried);
        let mut functions = std::mem::take(&mut meant.functions);
        functions.retain(|function| self.keeps(function, brings(function)));
        let output = |name: &String| {
            functions
                .iter()
                .any(|function| function.outputs.contains(name))
        };
        meant
            .fields
            .retain(|field| carried(&field.name) || output(&field.name));
        for field in &mut meant.fields {
            field.function_output &= output(&field.name);
        }
        let asks_provider = |function: &Function| !function.computes();
        if functions.iter().any(asks_provider) && self.knows(Thing::Property(NO_FUNCTION_CHECK)) {
            self.at_creation(NO_FUNCTION_CHECK);
        }
        if functions
            .iter()
            .any(|one| asks_provider(one) && brings(one))
        {
            self.at_creation(ALLOW_FUNCTION_OUTPUTS);
        }
        meant.functions = functions;
    }

    /// Whether the target gets a function; `brings` says whether rows bring what it makes.
    fn keeps(&mut self, function: &Function, brings: bool) -> bool {
        // Rows that bring vectors are refused, or have them made anew, where this is not known.
        let takes_outputs =
            !brings || function.computes() || self.knows(Thing::Property(ALLOW_FUNCTION_OUTPUTS));
        if self.knows(Thing::Function(function.kind)) && takes_outputs {
            return true;
        }
        let what = format!("the {} function {}", function.kind_name(), function.name);
        let outputs = function.outputs.join(", ");
        let without = match (outputs.is_empty(), brings) {
            (true, _) => "nothing else changes".to_owned(),
            (false, true) => {
                format!("{outputs} keeps its vectors, and new rows have to bring theirs")
            }
            (false, false) => format!("{outputs} is left out"),
        };
        !self.gives_up(Droppable::Functions, &what, &without)
    }

    fn at_creation(&mut self, property: &str) {
        self.fit
            .at_creation
            .insert(property.to_owned(), "true".to_owned());
    }
}
