//! Plans from captured facts, and every refusal with its hint.

mod audit;
mod golden;
mod nonsense;
mod policy;
mod refusals;
mod shapes;
mod unchanged;
mod world;
