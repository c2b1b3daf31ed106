//! Plans from captured facts, and every refusal.
