"""How long patients with a glioma live, from age, resection and the masks of their tumors."""
