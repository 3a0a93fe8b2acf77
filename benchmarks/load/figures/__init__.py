"""Raw samples, and every figure that is computed from them. Starts no process and draws nothing."""
