"""The kinds of scenes; each builds one on a stage and says how it is seen."""
