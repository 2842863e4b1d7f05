"""Why predictions and actual rides do not join: one module of `causes` for each kind of cause."""
