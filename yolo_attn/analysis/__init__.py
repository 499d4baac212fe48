"""What a trained network does: channel gates and accuracy on rotated pictures."""
