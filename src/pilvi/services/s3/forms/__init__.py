"""Uploads by HTML forms: whoever has a signed form may store what its policy allows, and nothing else."""
