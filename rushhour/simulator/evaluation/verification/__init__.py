"""The checks of `rushhour verify`: each compares some keys of a run with what they must hold."""
