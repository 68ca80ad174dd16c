"""Makes a thumbnail of every photo that arrives in a bucket. Runs on AWS Lambda and on pilvi, unchanged."""

import io
import os
from urllib.parse import unquote_plus

import boto3
from PIL import Image, ImageOps

LONGEST_SIDE = 128  # pixels

s3 = boto3.client("s3")


def handler(event, context):
    """Called with S3's notification; the thumbnail goes to the bucket named by THUMBNAILS, under the same key."""
    made = []
    for record in event["Records"]:
        bucket = record["s3"]["bucket"]["name"]
        key = unquote_plus(record["s3"]["object"]["key"])
        photo = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        thumbnail, size_before, size_after = shrink(photo)
        s3.put_object(
            Bucket=os.environ["THUMBNAILS"],
            Key=key,
            Body=thumbnail,
            ContentType="image/jpeg",
            Metadata={"pixels": size_after},
        )
        print(f"{key}: {size_before} ({len(photo):,} bytes) -> {size_after} ({len(thumbnail):,} bytes)")
        made.append(key)
    return {"made": made}


def shrink(photo):
    """The thumbnail's bytes, and width and height before and after."""
    with Image.open(io.BytesIO(photo)) as opened:
        image = ImageOps.exif_transpose(opened).convert("RGB")
    before = image.size
    image.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    out = io.BytesIO()
    image.save(out, "JPEG", quality=85)
    return out.getvalue(), "{}x{}".format(*before), "{}x{}".format(*image.size)
