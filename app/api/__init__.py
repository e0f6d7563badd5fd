"""Routes by noun; each calls one use case of app.services and renders its result."""
