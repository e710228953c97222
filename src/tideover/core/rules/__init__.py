"""Pure rules of the kit: who looks after late work, and which arm of an experiment somebody is in."""
