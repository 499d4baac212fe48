"""`python -m yolo_attn` is the command `yolo-attn`."""

from yolo_attn.cli import main

if __name__ == "__main__":
    main()
