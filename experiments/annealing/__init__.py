"""The paper's figure 2, small: what it costs and brings to let most languages join only in the decay phase."""
