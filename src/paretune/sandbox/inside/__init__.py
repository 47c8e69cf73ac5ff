"""What runs inside a sandbox: copied there, and without any of paretune's other parts."""
